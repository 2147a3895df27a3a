//! All samples of a selection as a stream of lines, in memory bounded by one line.

use crate::transport::Request;
use crate::{Client, Error, Selection, query::get};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;

/// Longest line of an export: a year of one series, scraped every five seconds.
const MAX_LINE_BYTES: usize = 256 << 20;

/// The lines of an export, each a JSON object with `metric`, `values` and `timestamps`.
#[derive(Debug)]
pub struct Export {
    url: String,
    body: Incoming,
    /// Silence after which the node is taken for gone.
    idle: Duration,
    pending: BytesMut,
    /// How much of `pending` is known to hold no line end.
    searched: usize,
    ended: bool,
    received: u64,
}

impl Client {
    /// Begins to export the samples of `selection` as JSON lines.
    pub async fn export(&self, selection: &Selection) -> Result<Export, Error> {
        let request: Request = get("/api/v1/export", &selection.params());
        let reply = self.transport.stream(&request).await?;
        Ok(Export {
            url: reply.url,
            body: reply.body,
            idle: self.transport.settings().timeout,
            pending: BytesMut::new(),
            searched: 0,
            ended: false,
            received: 0,
        })
    }
}

impl Export {
    /// Bytes that came so far.
    pub fn received_bytes(&self) -> u64 {
        self.received
    }

    /// The next line without its end; `None` after the last one.
    pub async fn next_line(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(at) = self.pending[self.searched..].iter().position(|b| *b == b'\n') {
                let line = self.pending.split_to(self.searched + at).freeze();
                self.pending.advance(1);
                self.searched = 0;
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Ok(Some(line));
            }
            self.searched = self.pending.len();
            if self.ended {
                let rest = self.pending.split().freeze();
                self.searched = 0;
                return Ok((!rest.iter().all(u8::is_ascii_whitespace)).then_some(rest));
            }
            if self.pending.len() > MAX_LINE_BYTES {
                return Err(Error::TooLarge { limit_bytes: MAX_LINE_BYTES });
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        let frame = tokio::time::timeout(self.idle, self.body.frame()).await;
        let frame = frame.map_err(|_| Error::Timeout { url: self.url.clone(), after: self.idle })?;
        match frame {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.received += data.len() as u64;
                    self.pending.extend_from_slice(&data);
                }
                Ok(())
            }
            Some(Err(e)) => Err(Error::Interrupted { url: self.url.clone(), reason: e.to_string() }),
            None => {
                self.ended = true;
                Ok(())
            }
        }
    }
}
