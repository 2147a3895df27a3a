//! Memory of the decoders, counted: nothing is allocated for a sample or for a series that is known, and what a
//! hostile request can make a decoder allocate is bounded.

use plimsoll_model::{Histogram, Timestamp};
use plimsoll_proto::ingest::{
    self, DecodeError, Decoded, Limits, RawLabels, Refusal, Scratch, Sink, TextDialect,
};
use plimsoll_proto::prometheus::{v1, v2};
use prost::Message;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what the current thread allocates.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        HELD.set(HELD.get() + layout.size() as isize);
        PEAK.set(PEAK.get().max(HELD.get()));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Number of allocations and most bytes held at once, beyond what was held before.
fn measure<T>(run: impl FnOnce() -> T) -> (T, usize, isize) {
    let (count, held) = (COUNT.get(), HELD.get());
    PEAK.set(held);
    let out = run();
    (out, COUNT.get() - count, PEAK.get() - held)
}

/// Takes everything and looks at nothing, as for series that are known.
struct Known;

impl Sink for Known {
    fn series(&mut self, _: u128, _: &dyn RawLabels) -> Result<(), Refusal> {
        Ok(())
    }

    fn float(&mut self, _: Timestamp, _: f64) -> Result<(), Refusal> {
        Ok(())
    }

    fn histogram(&mut self, _: Timestamp, _: Histogram) -> Result<(), Refusal> {
        Ok(())
    }
}

type Request<'a> = &'a dyn Fn(usize) -> Vec<u8>;
type Decoder = fn(&[u8], &mut Scratch) -> Result<Decoded, DecodeError>;

const V1: Decoder =
    |b, scratch| ingest::remote_write_v1_message(b, &Limits::default(), 7, scratch, &mut Known);
const V2: Decoder =
    |b, scratch| ingest::remote_write_v2_message(b, &Limits::default(), 7, scratch, &mut Known);
const SNAPPY: Decoder = |b, scratch| ingest::remote_write_v1(b, &Limits::default(), 7, scratch, &mut Known);
const TEXT: Decoder =
    |b, _| ingest::text(b, TextDialect::Prometheus, 0, 1, &Limits::default(), 7, &mut Known);
const JSON: Decoder = |b, _| ingest::json_lines(b, 1, &Limits::default(), 7, &mut Known);

fn message_v1(series: usize) -> Vec<u8> {
    let one = |i| v1::TimeSeries {
        labels: ["__name__", "job", "instance"]
            .map(|n| v1::Label { name: n.into(), value: format!("{n}-{i}") })
            .to_vec(),
        samples: vec![v1::Sample { value: 0.5, timestamp: 1_760_000_000_000 }; 1 + i % 2],
        ..Default::default()
    };
    v1::WriteRequest { timeseries: (0..series).map(one).collect(), metadata: vec![] }.encode_to_vec()
}

fn message_v2(series: usize) -> Vec<u8> {
    let one = |i| v2::TimeSeries {
        labels_refs: vec![1, 2 + i as u32],
        samples: vec![v2::Sample { value: 0.5, timestamp: 1, start_timestamp: 1 }],
        ..Default::default()
    };
    let symbols =
        ["".to_owned(), "__name__".to_owned()].into_iter().chain((0..series).map(|i| format!("n{i}")));
    v2::Request { symbols: symbols.collect(), timeseries: (0..series).map(one).collect() }.encode_to_vec()
}

#[test]
fn known_series_and_their_samples_cost_no_allocation() {
    let lines = |n| (0..n).map(|i| format!("m{{job=\"{i}\"}} 1 2\n")).collect::<String>().into_bytes();
    let json = |n| {
        let line =
            |i| format!("{{\"metric\":{{\"__name__\":\"m{i}\"}},\"values\":[1,2],\"timestamps\":[1,2]}}\n");
        (0..n).map(line).collect::<String>().into_bytes()
    };
    let snappy = |n| snap::raw::Encoder::new().compress_vec(&message_v1(n)).expect("short enough");
    let cases: [(&str, Decoder, Request<'_>); 5] = [
        ("1.0", V1, &message_v1),
        ("1.0 in snappy", SNAPPY, &snappy),
        ("2.0", V2, &message_v2),
        ("text", TEXT, &lines),
        ("JSON", JSON, &json),
    ];
    for (name, decode, request) in cases {
        let mut scratch = Scratch::default();
        let request = request(2000);
        decode(&request, &mut scratch).expect("valid");
        let (got, count, _) = measure(|| decode(&request, &mut scratch));
        assert!(got.expect("valid").samples() >= 2000, "{name}");
        assert!(count <= 4, "{name}: {count} allocations for 2000 samples");
    }
}

/// A field of a message, as bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    plimsoll_model::varint::put(&mut out, content.len() as u64);
    out.extend_from_slice(content);
    out
}

#[test]
fn what_a_hostile_request_can_allocate_is_bounded() {
    const MIB: usize = 1 << 20;
    let name = field(1, &[field(1, b"__name__"), field(2, b"m")].concat());
    let empty_samples = field(1, &[name.clone(), [0x12, 0].repeat(15 * MIB)].concat());
    let deltas = field(1, &[name.clone(), field(4, &field(12, &vec![2; 30 * MIB]))].concat());
    let spans = field(1, &[name.clone(), field(4, &[0x5a, 0].repeat(15 * MIB))].concat());
    let many_labels = field(1, &[[0x0a, 0].repeat(15 * MIB), vec![0x12, 0]].concat());
    let strewn = field(1, &[vec![0x12, 0], [0x0a, 0].repeat(15 * MIB)].concat());
    let symbols = [0x22, 0].repeat(15 * MIB);
    let refs = field(5, &[field(1, &vec![0; 30 * MIB]), vec![0x12, 0]].concat());
    let buckets = format!(
        "{{\"metric\":{{\"__name__\":\"m\"}},\"histograms\":[{{\"timestamp\":1,\"positive_buckets\":[{}1]}}]}}",
        "1,".repeat(7 * MIB)
    );
    let escapes = format!("{{\"metric\":{{\"a\":\"{}\"}}}}", "\\n".repeat(7 * MIB));
    let cases: [(&str, Decoder, &[u8], usize); 12] = [
        ("empty samples", V1, &empty_samples, MIB),
        ("histogram deltas", V1, &deltas, MIB),
        ("histogram spans", V1, &spans, MIB),
        ("empty labels", V1, &many_labels, MIB),
        // Copied together once, so not more than the request itself, twice for the growing of a vector.
        ("strewn labels", V1, &strewn, 96 * MIB),
        ("symbols", V2, &symbols, 64 * MIB),
        ("references", V2, &refs, MIB),
        ("quotes", TEXT, &vec![b'"'; 30 * MIB], MIB),
        ("lines", TEXT, &b"a\n".repeat(15 * MIB), MIB),
        ("brackets", JSON, &vec![b'['; 30 * MIB], MIB),
        ("histogram buckets in JSON", JSON, buckets.as_bytes(), MIB),
        ("escapes", JSON, escapes.as_bytes(), 16 * MIB),
    ];
    for (name, decode, request, most) in cases {
        let (_, _, peak) = measure(|| decode(request, &mut Scratch::default()));
        assert!(peak <= most as isize, "{name}: {peak} bytes at once");
    }
}
