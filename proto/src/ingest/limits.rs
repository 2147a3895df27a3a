/// Most that one request may hold. Everything a decoder allocates follows from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request after decompression. 32 MiB, as Prometheus and VictoriaMetrics have it: their senders
    /// stay far below.
    pub decoded_bytes: usize,
    /// Labels of a series with its name. 64: peers have 30 or 40, and an OpenTelemetry resource alone may bring 30.
    pub labels_per_series: usize,
    /// Bytes of a label's name. 1 KiB, as in Mimir.
    pub label_name_bytes: usize,
    /// Bytes of a label's value. 4 KiB, as in VictoriaMetrics; longer ones are texts that belong into a log.
    pub label_value_bytes: usize,
    /// Samples of a request, refused ones included. 2 million: a request within `decoded_bytes` reaches this only
    /// with samples that have no label bytes of their own.
    pub samples_per_request: usize,
    /// Buckets and spans of a native histogram. 4096: sketches that people configure have 160.
    pub buckets_per_histogram: usize,
    /// Symbols in the table of a remote-write 2.0 request. 1 million, each of which costs 32 bytes here.
    pub symbols_per_request: usize,
    /// Bytes of a line of text. 1 MiB: room for all labels that are allowed.
    pub line_bytes: usize,
    /// Bytes of a line of JSON, which holds all samples of a series. 16 MiB.
    pub json_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            decoded_bytes: 32 << 20,
            labels_per_series: 64,
            label_name_bytes: 1 << 10,
            label_value_bytes: 4 << 10,
            samples_per_request: 2_000_000,
            buckets_per_histogram: 4096,
            symbols_per_request: 1_000_000,
            line_bytes: 1 << 20,
            json_line_bytes: 16 << 20,
        }
    }
}
