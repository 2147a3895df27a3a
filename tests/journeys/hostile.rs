//! Ten thousand malformed requests: the node refuses each with a 4xx, keeps its memory, and goes on.

use crate::fixture::{self, now_ms, seconds};
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::remote_write::{HEADERS, SeriesBytes, WriteRequest, compress};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::Write;

const REQUESTS: usize = 10_000;

/// Memory may grow by so much from the first tenth of the requests to the last.
const GROWTH_BYTES: u64 = 64 << 20;

/// And is never above this; a bomb of a gigabyte that is unpacked would be.
const PEAK_BYTES: u64 = 512 << 20;

/// What may be said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// It cannot be right: 4xx.
    Refused,
    /// A changed byte may leave it right: 2xx or 4xx.
    NotOurFault,
}

/// A malformed request: what it is, where it goes, its body, and what must be said to it.
struct Attack {
    name: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    wanted: Wanted,
}

#[test]
fn ten_thousand_malformed_requests_are_refused_and_leave_no_mark() {
    let mut node = Node::start();
    let http = node.http();
    let end = now_ms() - 1000;
    let good = fixture::request(end);
    fixture::write(&http, &good);
    let mut rng = StdRng::seed_from_u64(20);
    let bombs = Bombs::new();
    let mut early_bytes = 0;
    for number in 0..REQUESTS {
        let attack = bombs.make(number, &good, end, &mut rng);
        let answer = http
            .post(attack.path, &attack.headers, &attack.body)
            .unwrap_or_else(|e| panic!("request {number}, {}: no answer: {e}\n{}", attack.name, node.log()));
        let good = match attack.wanted {
            Wanted::Refused => answer.status / 100 == 4,
            Wanted::NotOurFault => matches!(answer.status / 100, 2 | 4),
        };
        assert!(good, "request {number}, {}: {} {}", attack.name, answer.status, answer.text());
        if number == REQUESTS / 10 {
            early_bytes = node.process().resident_bytes();
        }
    }
    let (late_bytes, peak_bytes) = (node.process().resident_bytes(), node.process().peak_resident_bytes());
    assert!(late_bytes < early_bytes + GROWTH_BYTES, "memory grew from {early_bytes} to {late_bytes} bytes");
    assert!(peak_bytes < PEAK_BYTES, "memory rose to {peak_bytes} bytes");
    assert!(!node.log().contains("panicked"), "{}", node.log());
    // Flipped bits may have made further series, but not of these labels.
    let parameters = [("query", "count(up{job=\"api\",instance=~\"[abc]:9100\"})"), ("time", &seconds(end))];
    assert_eq!(http.data("/api/v1/query", &parameters)["result"][0]["value"][1], "3", "the node goes on");
}

#[test]
fn questions_that_nest_explode_or_backtrack_end_soon() {
    let mut node = Node::start();
    let http = node.http();
    fixture::write(&http, &fixture::request(now_ms() - 1000));
    let refused = [
        "(".repeat(100_000) + "up" + &")".repeat(100_000),
        "-".repeat(200_000) + "up",
        "sum(".repeat(50_000) + "up" + &")".repeat(50_000),
        "up + ".repeat(100_000) + "up",
        "up[".repeat(10_000),
        format!("up{{a=~\"{}\"}}", "(".repeat(50_000)),
        "up{a=~\"((((a{1000}){1000}){1000}){1000})\"}".to_owned(),
        format!("up{{a=\"{}", "x".repeat(1 << 19)),
        "{__name__=~\"[\"}".to_owned(),
        "\u{0}".repeat(1000),
        "1e999999999999999999999".repeat(1000),
    ];
    for query in refused {
        let shown: String = query.chars().take(40).collect();
        for path in ["/api/v1/query", "/api/v1/format_query", "/api/v1/parse_query"] {
            let answer =
                http.post_form(path, &[("query", &query)]).unwrap_or_else(|e| panic!("{path} {shown}: {e}"));
            // Parsing alone compiles no pattern, so a bad one may pass there.
            let fine = answer.status / 100 == 4 || (path != "/api/v1/query" && answer.status == 200);
            assert!(fine, "{path} {shown}: {} {}", answer.status, answer.text());
        }
    }
    // These are allowed, and must not take for ever: patterns run in linear time, and a range has a limit of points.
    let allowed = ["up{instance=~\"(a+)+(a*)*(a|aa)+$\"}", "up{instance=~\".*.*.*.*.*.*.*=.*\"}", "up[100y]"];
    for query in allowed {
        let answer =
            http.post_form("/api/v1/query", &[("query", query)]).unwrap_or_else(|e| panic!("{query}: {e}"));
        assert!(matches!(answer.status / 100, 2 | 4), "{query}: {} {}", answer.status, answer.text());
    }
    for (start, end, step) in [
        ("-9223372036854775808", "9223372036854775807", "1"),
        ("NaN", "Inf", "1"),
        ("0", "1e300", "1e-300"),
        ("0", "10", "-1"),
        ("0", "99999999999", "1ms"),
    ] {
        let parameters = [("query", "up"), ("start", start), ("end", end), ("step", step)];
        let answer =
            http.get("/api/v1/query_range", &parameters).unwrap_or_else(|e| panic!("{parameters:?}: {e}"));
        assert_eq!(answer.status / 100, 4, "{parameters:?}: {}", answer.text());
    }
    assert!(!node.log().contains("panicked"), "{}", node.log());
    assert!(node.process().peak_resident_bytes() < PEAK_BYTES);
}

/// Bodies that are dear to make, made once.
struct Bombs {
    /// A gigabyte of zeros under gzip.
    gzip: Vec<u8>,
    /// 256 MiB of zeros under snappy.
    snappy: Vec<u8>,
    /// A label value of 8 MiB.
    label: Vec<u8>,
}

impl Bombs {
    fn new() -> Self {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let block = vec![0u8; 1 << 20];
        for _ in 0..1024 {
            gzip.write_all(&block).expect("into memory");
        }
        let mut label = WriteRequest::new();
        label
            .series(&SeriesBytes::new(&[("__name__", "a"), ("b", &"x".repeat(8 << 20))]), &[(now_ms(), 1.0)]);
        Self {
            gzip: gzip.finish().expect("into memory"),
            snappy: compress(&vec![0u8; 256 << 20]),
            label: label.body(),
        }
    }

    fn make(&self, number: usize, good: &WriteRequest, end: i64, rng: &mut StdRng) -> Attack {
        // The bombs are few, since a server must at least read them.
        match number % 1000 {
            500 => write("a gzip bomb", self.gzip.clone(), Wanted::Refused)
                .to("/api/v1/import", vec![("Content-Encoding", "gzip")]),
            501 => write("a gzip bomb as text", self.gzip.clone(), Wanted::Refused)
                .to("/api/v1/import/prometheus", vec![("Content-Encoding", "gzip")]),
            502 => write("a snappy bomb", self.snappy.clone(), Wanted::Refused),
            503 => write("a huge label", self.label.clone(), Wanted::Refused),
            _ => small(rng, good, end),
        }
    }
}

fn write(name: &'static str, body: Vec<u8>, wanted: Wanted) -> Attack {
    Attack { name, path: "/api/v1/write", headers: HEADERS.to_vec(), body, wanted }
}

impl Attack {
    fn to(mut self, path: &'static str, headers: Vec<(&'static str, &'static str)>) -> Self {
        (self.path, self.headers) = (path, headers);
        self
    }
}

fn one(labels: &[(&str, &str)], at_ms: i64) -> Vec<u8> {
    let mut request = WriteRequest::new();
    request.series(&SeriesBytes::unsorted(labels), &[(at_ms, 1.0)]);
    request.body()
}

fn random_bytes(rng: &mut StdRng, most: usize) -> Vec<u8> {
    let length = rng.random_range(0..most);
    (0..length).map(|_| rng.random()).collect()
}

fn small(rng: &mut StdRng, good: &WriteRequest, end: i64) -> Attack {
    let plain = good.plain();
    match rng.random_range(0..16) {
        0 => {
            let cut = rng.random_range(1..plain.len());
            write("truncated protobuf", compress(&plain[..cut]), Wanted::NotOurFault)
        }
        1 => {
            let mut flipped = plain.to_vec();
            for _ in 0..rng.random_range(1..8) {
                let at = rng.random_range(0..flipped.len());
                flipped[at] ^= 1 << rng.random_range(0..8);
            }
            write("flipped bits in protobuf", compress(&flipped), Wanted::NotOurFault)
        }
        2 => {
            let mut body = good.body();
            body.truncate(rng.random_range(1..body.len()));
            write("truncated snappy", body, Wanted::Refused)
        }
        3 => {
            let mut body = good.body();
            let at = rng.random_range(0..body.len());
            body[at] ^= 1 << rng.random_range(0..8);
            write("flipped bit in snappy", body, Wanted::NotOurFault)
        }
        4 => {
            // A declared length of almost four gigabytes in five bytes, and nothing to go with it.
            let mut body = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
            body.extend(random_bytes(rng, 64));
            write("a huge declared length", body, Wanted::Refused)
        }
        5 => write("noise", random_bytes(rng, 4096), Wanted::NotOurFault),
        6 => write("noise under snappy", compress(&random_bytes(rng, 4096)), Wanted::NotOurFault),
        7 => write("the least timestamp", one(&[("__name__", "a")], i64::MIN), Wanted::Refused),
        8 => write("the greatest timestamp", one(&[("__name__", "a")], i64::MAX), Wanted::Refused),
        9 => write("no name", one(&[("job", "a")], end), Wanted::Refused),
        10 => write("an empty name", one(&[("__name__", "")], end), Wanted::Refused),
        11 => write("a label twice", one(&[("__name__", "a"), ("b", "1"), ("b", "2")], end), Wanted::Refused),
        12 => {
            let names: Vec<String> = (0..500).map(|number| format!("label_{number:03}")).collect();
            let mut labels: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
            labels.insert(0, ("__name__", "a"));
            write("five hundred labels", one(&labels, end), Wanted::Refused)
        }
        13 => {
            let mut message = good.plain().to_vec();
            // The first label's name: no byte above 0x7f may stand there alone.
            if let Some(at) = message.windows(8).position(|window| window == b"__name__") {
                message[at + 2] = 0xff;
            }
            write("a name that is not UTF-8", compress(&message), Wanted::Refused)
        }
        14 => {
            let mut text = b"metric{label=\"".to_vec();
            text.extend(random_bytes(rng, 200));
            text.extend(b"\" NaN NaN NaN");
            write("broken text", text, Wanted::Refused).to("/api/v1/import/prometheus", vec![])
        }
        _ => {
            let depth = rng.random_range(100..20_000);
            let body = "{\"metric\":".repeat(depth).into_bytes();
            write("nested JSON", body, Wanted::Refused).to("/api/v1/import", vec![])
        }
    }
}
