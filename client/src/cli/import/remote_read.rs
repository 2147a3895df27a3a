//! Samples from Prometheus' remote read, window by window.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/> and the field numbers of prompb/remote.proto
//! and prompb/types.proto. Both kinds of answer are read: a stream of chunks, and samples in one message.

use super::super::exit::Problem;
use super::super::piece::{Piece, Pieces, limits};
use super::super::tsdb::{Encoding, decode};
use super::Filter;
use super::message::{Fields, Value, put_bytes, put_number};
use super::source::{Chunk, Lines};
use crate::transport::{Request, StreamedReply};
use crate::{Client, Error};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use plimsoll_model::Labels;
use plimsoll_proto::ingest::{Scratch, remote_write_v1_message};
use std::time::Duration;

/// Largest frame of a stream, and largest message of samples, that is taken.
const MOST_BYTES: usize = 256 << 20;

/// Windows of the range, oldest first. A position is a moment in milliseconds.
pub(super) struct RemoteRead {
    client: Client,
    path: String,
    filter: Filter,
    window_ms: i64,
    chunk_bytes: usize,
    idle: Duration,
    at: i64,
    answer: Option<Answer>,
}

enum Answer {
    Stream { reply: Box<StreamedReply>, pending: BytesMut, ended: bool },
    Samples(std::vec::IntoIter<Piece>),
}

impl RemoteRead {
    pub fn new(
        client: Client,
        path: &str,
        filter: Filter,
        window: Duration,
        idle: Duration,
        chunk_bytes: usize,
    ) -> Self {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1);
        let at = filter.start;
        Self { client, path: path.to_owned(), filter, window_ms, chunk_bytes, idle, at, answer: None }
    }

    /// Goes on behind an earlier import.
    pub fn behind(mut self, position: u64) -> Self {
        self.at = self.at.max(position as i64);
        self
    }

    pub fn end(&self) -> u64 {
        u64::try_from(self.filter.end).unwrap_or(0).saturating_add(1)
    }

    pub async fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        let mut lines = Lines::default();
        while self.at <= self.filter.end && lines.len() < self.chunk_bytes {
            if self.answer.is_none() {
                self.answer = Some(self.ask().await?);
            }
            match self.next_piece().await? {
                Some(mut piece) => {
                    piece.cut(self.at, self.window_end());
                    lines.add(piece);
                }
                None => {
                    self.answer = None;
                    self.at = self.window_end().saturating_add(1);
                }
            }
        }
        // A window that is not whole is asked for again by whoever goes on: the same samples do no harm.
        Ok((lines.len() > 0).then(|| lines.take(self.at as u64)))
    }

    fn window_end(&self) -> i64 {
        self.at.saturating_add(self.window_ms - 1).min(self.filter.end)
    }

    async fn ask(&self) -> Result<Answer, Problem> {
        let mut request = Request::post(&self.path, "application/x-protobuf", self.question().into());
        request.headers.push((CONTENT_ENCODING, HeaderValue::from_static("snappy")));
        let version = HeaderName::from_static("x-prometheus-remote-read-version");
        request.headers.push((version, HeaderValue::from_static("0.1.0")));
        // Reading twice does no harm.
        request.repeatable = true;
        let reply = self.client.transport.stream(&request).await?;
        let kind = reply.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/x-streamed-protobuf") {
            return Ok(Answer::Stream { reply: Box::new(reply), pending: BytesMut::new(), ended: false });
        }
        let url = reply.url.clone();
        let body = http_body_util::Limited::new(reply.body, MOST_BYTES).collect().await;
        let body = body.map_err(|e| Error::Interrupted { url, reason: e.to_string() })?.to_bytes();
        Ok(Answer::Samples(read_samples(&body).map_err(not_understood)?.into_iter()))
    }

    /// `prometheus.ReadRequest`, in snappy.
    fn question(&self) -> Vec<u8> {
        let mut query = Vec::new();
        put_number(&mut query, 1, self.at as u64);
        put_number(&mut query, 2, self.window_end() as u64);
        for matcher in &self.filter.matchers {
            let mut message = Vec::new();
            put_number(&mut message, 1, matcher.op as u64);
            put_bytes(&mut message, 2, matcher.name.as_bytes());
            put_bytes(&mut message, 3, matcher.value.as_bytes());
            put_bytes(&mut query, 3, &message);
        }
        let mut request = Vec::new();
        put_bytes(&mut request, 1, &query);
        // Chunks in a stream rather than samples, which an old server answers all the same.
        for kind in [1, 0] {
            put_number(&mut request, 2, kind);
        }
        snap::raw::Encoder::new().compress_vec(&request).expect("a question is far below the 4 GiB of snappy")
    }

    /// The next series, or a part of it; `None` at the end of the window.
    async fn next_piece(&mut self) -> Result<Option<Piece>, Problem> {
        match &mut self.answer {
            Some(Answer::Samples(pieces)) => Ok(pieces.next()),
            Some(Answer::Stream { reply, pending, ended }) => loop {
                if let Some(frame) = take_frame(pending).map_err(not_understood)? {
                    return Ok(Some(read_chunks(&frame).map_err(not_understood)?));
                }
                if *ended {
                    return match pending.is_empty() {
                        true => Ok(None),
                        false => Err(not_understood("it ends inside of a frame".into())),
                    };
                }
                *ended = !fill(reply, pending, self.idle).await?;
            },
            None => Ok(None),
        }
    }
}

fn not_understood(why: String) -> Problem {
    Problem::fail(format!("the answer of remote read is not understood: {why}"))
        .next("check that the url is that of a remote read endpoint, such as http://HOST:9090/api/v1/read")
}

/// Reads on; answers whether there may be more.
async fn fill(reply: &mut StreamedReply, pending: &mut BytesMut, idle: Duration) -> Result<bool, Error> {
    let frame = tokio::time::timeout(idle, reply.body.frame()).await;
    let frame = frame.map_err(|_| Error::Timeout { url: reply.url.clone(), after: idle })?;
    match frame {
        Some(Ok(frame)) => {
            if let Ok(data) = frame.into_data() {
                pending.extend_from_slice(&data);
            }
            Ok(true)
        }
        Some(Err(e)) => Err(Error::Interrupted { url: reply.url.clone(), reason: e.to_string() }),
        None => Ok(false),
    }
}

/// A frame: its length, its checksum, a `prometheus.ChunkedReadResponse`. `None` while it is not whole.
fn take_frame(pending: &mut BytesMut) -> Result<Option<BytesMut>, String> {
    let mut rest = &pending[..];
    let Some(length) = plimsoll_model::varint::take(&mut rest) else {
        return if pending.len() < 10 { Ok(None) } else { Err("a frame has no length".into()) };
    };
    let length = usize::try_from(length).ok().filter(|n| *n <= MOST_BYTES).ok_or("a frame is too large")?;
    let head = pending.len() - rest.len();
    if rest.len() < 4 + length {
        return Ok(None);
    }
    pending.advance(head);
    let sum = pending.get_u32();
    let frame = pending.split_to(length);
    if crc32c::crc32c(&frame) != sum {
        return Err("the checksum of a frame does not fit".into());
    }
    Ok(Some(frame))
}

/// `prometheus.ChunkedReadResponse`: one series, which later frames may go on with.
fn read_chunks(frame: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece::default();
    for field in Fields(frame) {
        if let (1, Value::Bytes(series)) = field? {
            let mut pairs = Vec::new();
            for field in Fields(series) {
                match field? {
                    (1, Value::Bytes(label)) => pairs.push(read_label(label)?),
                    (2, Value::Bytes(chunk)) => read_chunk(chunk, &mut piece)?,
                    _ => {}
                }
            }
            piece.labels = Labels::from_pairs(pairs).map_err(|e| e.to_string())?;
        }
    }
    Ok(piece)
}

fn read_label(label: &[u8]) -> Result<(String, String), String> {
    let (mut name, mut value) = (String::new(), String::new());
    for field in Fields(label) {
        let text =
            |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| "a label is not UTF-8".to_owned());
        match field? {
            (1, Value::Bytes(bytes)) => name = text(bytes)?,
            (2, Value::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn read_chunk(chunk: &[u8], piece: &mut Piece) -> Result<(), String> {
    let (mut encoding, mut data) = (0, &[][..]);
    for field in Fields(chunk) {
        match field? {
            (3, Value::Number(number)) => encoding = number,
            (4, Value::Bytes(bytes)) => data = bytes,
            _ => {}
        }
    }
    let known = Encoding::from_number(encoding)
        .ok_or_else(|| format!("chunks of encoding {encoding} are not known"))?;
    decode(known, data, piece).map_err(|fault| fault.0)
}

/// `prometheus.ReadResponse` in snappy. The series of a result lie there as those of a remote write do.
fn read_samples(body: &[u8]) -> Result<Vec<Piece>, String> {
    let size = snap::raw::decompress_len(body).map_err(|e| e.to_string())?;
    if size > MOST_BYTES {
        return Err(format!("{size} bytes of samples are too many at a time: take a shorter --window"));
    }
    let plain = snap::raw::Decoder::new().decompress_vec(body).map_err(|e| e.to_string())?;
    let mut pieces = Pieces::default();
    for field in Fields(&plain) {
        if let (1, Value::Bytes(result)) = field? {
            let mut scratch = Scratch::default();
            let decoded = remote_write_v1_message(result, &limits(), 0, &mut scratch, &mut pieces);
            decoded.map_err(|e| e.to_string())?;
        }
    }
    Ok(pieces.all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_when_they_are_whole() {
        let mut frame = vec![3];
        frame.extend(crc32c::crc32c(b"abc").to_be_bytes());
        frame.extend(b"abc");
        for cut in 0..frame.len() {
            assert_eq!(take_frame(&mut BytesMut::from(&frame[..cut])), Ok(None), "cut at {cut}");
        }
        let mut two = BytesMut::from(&[&frame[..], b"\x01"].concat()[..]);
        assert_eq!(take_frame(&mut two).expect("a frame").expect("whole"), &b"abc"[..]);
        assert_eq!(&two[..], b"\x01");
        frame[2] ^= 1;
        assert!(take_frame(&mut BytesMut::from(&frame[..])).is_err());
        assert!(take_frame(&mut BytesMut::from(&[0xff; 12][..])).is_err());
    }
}
