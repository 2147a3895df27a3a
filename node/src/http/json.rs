//! Answers as JSON, in the shapes of Prometheus' HTTP API, streamed when they are large.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use plimsoll_model::Labels;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use std::io::{self, Write};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes gathered before they go out.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that may wait for a slow reader.
const PIECES: usize = 4;

/// `{"status":"success","data":...}` with warnings when there are any.
pub fn success(data: impl Serialize, warnings: &[String]) -> Response {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        status: &'static str,
        data: T,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        warnings: &'a [String],
    }
    axum::Json(Envelope { status: "success", data, warnings }).into_response()
}

/// Sets of labels as a list of objects.
pub struct LabelSets<'a>(pub &'a [Labels]);

impl Serialize for LabelSets<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.len()))?;
        for labels in self.0 {
            list.serialize_element(&LabelSet(labels))?;
        }
        list.end()
    }
}

/// A set of labels as an object.
pub struct LabelSet<'a>(pub &'a Labels);

impl Serialize for LabelSet<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Answers with what `write` writes. It runs on the blocking pool and waits for a slow reader; when the reader
/// is gone its next write fails and it ends.
pub fn stream(
    content_type: &'static str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Response {
    let (pieces, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces { buffer: Vec::with_capacity(PIECE_BYTES), pieces };
        if let Err(e) = write(&mut out).and_then(|()| out.flush()) {
            // cuts the chunked body short, so that the reader sees that it is not whole
            let _ = out.pieces.blocking_send(Err(e));
        }
    });
    self::pieces(content_type, receiver)
}

/// Answers with what comes out of `pieces`; an error cuts the answer short.
pub fn pieces(content_type: &'static str, pieces: mpsc::Receiver<io::Result<Bytes>>) -> Response {
    let mut response = Body::from_stream(ReceiverStream::new(pieces)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

struct Pieces {
    buffer: Vec<u8>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the reader is gone");
        self.pieces.blocking_send(Ok(Bytes::from(piece))).map_err(gone)
    }
}
