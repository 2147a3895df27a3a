//! Prometheus remote write 1.0, encoded by hand from the published message:
//!
//! ```text
//! WriteRequest { repeated TimeSeries timeseries = 1 }
//! TimeSeries   { repeated Label labels = 1, repeated Sample samples = 2 }
//! Label        { string name = 1, string value = 2 }
//! Sample       { double value = 1, int64 timestamp = 2 }
//! ```

use crate::http::{Answer, Broken, Http};

/// Where Prometheus and Plimsoll take remote write, and VictoriaMetrics as well.
pub const PATH: &str = "/api/v1/write";

/// The headers of a remote write 1.0 request.
pub const HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// The bytes of a series' labels, made once and used for all of its samples.
#[derive(Clone, Debug)]
pub struct SeriesBytes(Vec<u8>);

impl SeriesBytes {
    /// Labels in any order; sorted here as the specification asks.
    pub fn new(labels: &[(&str, &str)]) -> Self {
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        Self::unsorted(&sorted)
    }

    /// Labels exactly as given, right or wrong.
    pub fn unsorted(labels: &[(&str, &str)]) -> Self {
        let mut bytes = Vec::new();
        for (name, value) in labels {
            let mut label = Vec::with_capacity(name.len() + value.len() + 8);
            text(1, name.as_bytes(), &mut label);
            text(2, value.as_bytes(), &mut label);
            text(1, &label, &mut bytes);
        }
        Self(bytes)
    }
}

/// A request under construction.
#[derive(Clone, Debug, Default)]
pub struct WriteRequest {
    bytes: Vec<u8>,
    scratch: Vec<u8>,
    samples: usize,
}

impl WriteRequest {
    /// An empty request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series with its samples: timestamps in ms, and values.
    pub fn series(&mut self, series: &SeriesBytes, samples: &[(i64, f64)]) -> &mut Self {
        self.scratch.clear();
        self.scratch.extend_from_slice(&series.0);
        for (timestamp, value) in samples {
            let mut sample = [0u8; 20];
            sample[0] = 1 << 3 | 1;
            sample[1..9].copy_from_slice(&value.to_le_bytes());
            sample[9] = 2 << 3;
            // A negative int64 is written as the ten bytes of its two's complement.
            let len = 10 + put_varint(*timestamp as u64, &mut sample[10..]);
            text(2, &sample[..len], &mut self.scratch);
        }
        text(1, &self.scratch, &mut self.bytes);
        self.samples += samples.len();
        self
    }

    /// How many samples it holds.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The message, not compressed.
    pub fn plain(&self) -> &[u8] {
        &self.bytes
    }

    /// The body of the request: the message in snappy's block format.
    pub fn body(&self) -> Vec<u8> {
        compress(&self.bytes)
    }

    /// Forgets its content and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.samples = 0;
    }

    /// Sends it.
    pub fn send(&self, http: &Http) -> Result<Answer, Broken> {
        http.post(PATH, &HEADERS, &self.body())
    }
}

/// Snappy's block format, as remote write wants it.
pub fn compress(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).expect("requests are far below snappy's 4 GiB")
}

/// A length-delimited field.
fn text(field: u8, content: &[u8], out: &mut Vec<u8>) {
    let mut length = [0u8; 10];
    let len = put_varint(content.len() as u64, &mut length);
    out.push(field << 3 | 2);
    out.extend_from_slice(&length[..len]);
    out.extend_from_slice(content);
}

/// Writes a base-128 varint to the front of `out`; returns its length, ten at most.
fn put_varint(mut value: u64, out: &mut [u8]) -> usize {
    let mut len = 0;
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        out[len] = if value == 0 { low } else { low | 0x80 };
        len += 1;
        if value == 0 {
            return len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_bytes_that_the_specification_gives() {
        let mut request = WriteRequest::new();
        request.series(&SeriesBytes::new(&[("__name__", "up")]), &[(1, 1.0)]);
        let label = [&[0x0a, 14, 0x0a, 8][..], b"__name__", &[0x12, 2], b"up"].concat();
        let sample = [0x12, 11, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 1];
        let wanted = [&[0x0a, (label.len() + sample.len()) as u8][..], &label, &sample].concat();
        assert_eq!(request.plain(), wanted);
    }

    #[test]
    fn the_least_timestamp_fits() {
        let mut request = WriteRequest::new();
        request.series(&SeriesBytes::new(&[]), &[(i64::MIN, 0.0)]);
        assert_eq!(request.plain().len(), 2 + 2 + 20);
    }
}
