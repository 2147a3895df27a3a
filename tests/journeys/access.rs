//! Strangers at the door of a real node: tokens with roles, TLS, and ten thousand tokens that are none.

use crate::fixture::{self, SOON, now_ms};
use plimsoll_tests::certificates::Authority;
use plimsoll_tests::http::{Answer, Http};
use plimsoll_tests::plimsoll::{Node, folder};
use plimsoll_tests::remote_write::HEADERS;
use plimsoll_tests::wait::wait_until;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const ROOT: &str = "root-0123456789abcdef0123456789abcdef";
const GRPC: (&str, &str) = ("Content-Type", "application/grpc");
const HOSTILE: usize = 10_000;

/// A revoked or new token holds on all nodes within this.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

fn node_with_tokens() -> Node {
    let folder = folder();
    let root = root_token(&folder, ROOT);
    Node::start_in(folder, &[("access.tokens", "true"), ("access.root_token_file", &root)], None)
}

fn root_token(folder: &TempDir, token: &str) -> String {
    let path = folder.path().join("root-token");
    fs::write(&path, format!("{token}\n")).expect("a folder of ours");
    path.display().to_string()
}

fn answer<E: std::fmt::Display>(asked: Result<Answer, E>) -> Answer {
    asked.unwrap_or_else(|e| panic!("no answer: {e}"))
}

/// Makes a token and returns what the answer said of it.
fn create(http: &Http, wanted: Value) -> Value {
    let made = answer(http.post("/api/v1/tokens", &[], wanted.to_string().as_bytes()));
    assert_eq!(made.status, 200, "{wanted}: {}", made.text());
    made.json()["data"].take()
}

fn secret(http: &Http, name: &str, role: &str) -> String {
    let made = create(http, json!({"name": name, "role": role}));
    made["token"].as_str().unwrap_or_else(|| panic!("no token in {made}")).to_owned()
}

/// Statuses of: a write, a question, `/metrics`, upkeep, the list of tokens, and the same over gRPC.
fn doors(http: &Http) -> [u16; 5] {
    let request = fixture::request(now_ms() - 1000);
    [
        answer(http.post("/api/v1/write", &HEADERS, &request.body())).status,
        answer(http.get("/api/v1/query", &[("query", "up")])).status,
        answer(http.get("/metrics", &[])).status,
        answer(http.post("/api/v1/admin/checkpoint", &[], b"")).status,
        answer(http.get("/api/v1/tokens", &[])).status,
    ]
    .map(|status| if status == 204 { 200 } else { status })
}

/// The gRPC status of a call without a message to each of the services.
fn grpc_doors(http: &Http) -> [Option<String>; 3] {
    ["Write/Write", "Query/Query", "Admin/Checkpoint"].map(|method| {
        let called = answer(http.post(&format!("/plimsoll.v1.{method}"), &[GRPC], b""));
        called.header("grpc-status").map(str::to_owned)
    })
}

#[test]
fn a_token_opens_what_its_role_is_for_and_nothing_else() {
    let node = node_with_tokens();
    let stranger = node.http();
    let root = stranger.with_token(ROOT);
    assert_eq!(doors(&stranger), [401; 5]);
    assert_eq!(doors(&root), [200; 5]);
    for path in ["/-/healthy", "/-/ready", "/"] {
        assert_eq!(answer(stranger.get(path, &[])).status, 200, "{path} is for anyone");
    }
    let with = |role: &str| stranger.with_token(&secret(&root, &format!("a-{role}"), role));
    let (writer, reader, admin) = (with("write"), with("read"), with("admin"));
    assert_eq!(doors(&writer), [200, 403, 403, 403, 403]);
    assert_eq!(doors(&reader), [403, 200, 200, 403, 403]);
    assert_eq!(doors(&admin), [200; 5]);
    // UNAUTHENTICATED is 16, PERMISSION_DENIED 7; whoever gets in is told something else, since there is no message
    let refused = |status: &Option<String>| matches!(status.as_deref(), Some("7" | "16"));
    assert_eq!(grpc_doors(&stranger).map(|s| s.unwrap_or_default()), ["16", "16", "16"]);
    assert_eq!(grpc_doors(&writer).each_ref().map(refused), [false, true, true]);
    assert_eq!(grpc_doors(&reader).each_ref().map(refused), [true, false, true]);
    assert_eq!(grpc_doors(&admin).each_ref().map(refused), [false; 3]);
    let refused = answer(stranger.get("/api/v1/labels", &[]));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"plimsoll\""));
    assert!(refused.text().contains("role `read`"), "{}", refused.text());
    let refused = answer(writer.get("/api/v1/labels", &[])).text();
    assert!(refused.contains("`a-write` has the role `write`, this needs the role `read`"), "{refused}");
    let metrics = answer(reader.get("/metrics", &[])).text();
    for reason in ["no_token", "wrong_role"] {
        let counted = format!("plimsoll_access_refused_total{{reason=\"{reason}\"}}");
        assert!(metrics.contains(&counted), "{counted} is not in /metrics");
    }
}

#[test]
fn no_token_stands_for_the_certificate_of_a_node() {
    let node = node_with_tokens();
    let root = node.http().with_token(ROOT);
    let admin = root.with_token(&secret(&root, "admin", "admin"));
    for http in [&root, &admin] {
        let called = answer(http.post("/plimsoll.v1.Peer/Append", &[GRPC], b""));
        // PERMISSION_DENIED, or UNIMPLEMENTED of a node without that service
        let status = called.header("grpc-status");
        assert!(matches!(status, Some("7" | "12")), "{status:?}: {}", called.text());
    }
}

#[test]
fn a_token_is_shown_once_kept_as_a_hash_and_good_until_it_is_revoked_or_expires() {
    let mut node = node_with_tokens();
    let root = node.http().with_token(ROOT);
    let made = create(&root, json!({"name": "agent-7", "role": "read", "expires_seconds": 3600}));
    let token = made["token"].as_str().expect("it is shown once").to_owned();
    let listed = root.data("/api/v1/tokens", &[]);
    assert_eq!(listed[0]["name"], "agent-7");
    assert_eq!(listed[0]["role"], "read");
    assert_eq!(listed[0]["expires_ms"], made["expires_ms"]);
    assert!(listed[0].get("token").is_none() && listed[0].get("hash").is_none(), "{listed}");
    let again = answer(root.post("/api/v1/tokens", &[], br#"{"name": "agent-7", "role": "admin"}"#));
    assert_eq!(again.status, 409, "{}", again.text());
    node.stop();
    node.restart();
    let reader = node.http().with_token(&token);
    assert_eq!(answer(reader.get("/api/v1/labels", &[])).status, 200, "it outlives a restart");
    let holds = holds(&node.data(), token.as_bytes());
    assert!(holds.is_none(), "the secret is in {holds:?}");
    assert!(!node.log().contains(&token) && !node.log().contains(ROOT));
    assert_eq!(answer(root.delete("/api/v1/tokens/agent-7")).status, 200);
    assert_eq!(answer(root.delete("/api/v1/tokens/agent-7")).status, 404);
    let gone = || answer(reader.get("/api/v1/labels", &[]));
    wait_until("the revoked token to be refused", WITHIN, || gone().status == 401);
    assert!(gone().header("www-authenticate").is_some_and(|said| said.contains("invalid_token")));
    let short = create(&root, json!({"name": "short", "role": "read", "expires_seconds": 1}));
    let short = node.http().with_token(short["token"].as_str().expect("a token"));
    wait_until("the token to expire", SOON, || answer(short.get("/api/v1/labels", &[])).status == 401);
    assert!(answer(short.get("/api/v1/labels", &[])).text().contains("`short` has expired"));
}

/// A file below `folder` that has `needle` in it.
fn holds(folder: &Path, needle: &[u8]) -> Option<String> {
    fs::read_dir(folder).expect("a folder of ours").flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle).then(|| path.display().to_string())
    })
}

#[test]
fn a_wish_for_a_token_that_is_wrong_is_refused_with_what_it_should_be() {
    let node = node_with_tokens();
    let root = node.http().with_token(ROOT);
    for (wish, status) in [
        ("", 400),
        ("[]", 400),
        (r#"{"name": "a"}"#, 400),
        (r#"{"name": "a", "role": "king"}"#, 400),
        (r#"{"name": "a", "role": "read", "token": "mine"}"#, 400),
        (r#"{"name": "", "role": "read"}"#, 400),
        (r#"{"name": "a/b", "role": "read"}"#, 400),
        (r#"{"name": "..", "role": "read"}"#, 400),
        (r#"{"name": "a", "role": "read", "expires_seconds": 0}"#, 400),
        (r#"{"name": "a", "role": "read", "expires_seconds": 18446744073709551615}"#, 400),
        (&format!("{{\"name\": \"{}\", \"role\": \"read\"}}", "a".repeat(65)), 400),
        (&" ".repeat(5000), 413),
    ] {
        let said = answer(root.post("/api/v1/tokens", &[], wish.as_bytes()));
        let shown: String = wish.chars().take(60).collect();
        assert_eq!(said.status, status, "{shown}: {}", said.text());
    }
    assert_eq!(root.data("/api/v1/tokens", &[]), json!([]));
    let open = Node::start();
    let said = answer(open.http().post("/api/v1/tokens", &[], br#"{"name": "a", "role": "admin"}"#));
    assert_eq!(said.status, 400, "a token made while anyone may would be good later");
    assert!(said.text().contains("access.tokens"), "{}", said.text());
}

#[test]
fn ten_thousand_tokens_that_are_none_open_nothing_and_leave_no_mark() {
    let mut node = node_with_tokens();
    let stranger = node.http();
    let good = secret(&stranger.with_token(ROOT), "good", "admin");
    let mut rng = StdRng::seed_from_u64(401);
    let mut early_bytes = 0;
    for number in 0..HOSTILE {
        let header = credentials(number, &good, &mut rng);
        let path = ["/api/v1/labels", "/api/v1/tokens", "/api/v1/admin/compact", "/nowhere"][number % 4];
        let said = answer(stranger.get_with(path, &[], &[("Authorization", &header)]));
        assert_eq!(said.status, 401, "{number}: {path} {header:?}: {}", said.text());
        if number == HOSTILE / 10 {
            early_bytes = node.process().resident_bytes();
        }
    }
    let grown = node.process().resident_bytes().saturating_sub(early_bytes);
    assert!(grown < 32 << 20, "memory grew by {grown} bytes");
    assert!(!node.log().contains("panicked"), "{}", node.log());
    assert_eq!(answer(stranger.with_token(&good).get("/api/v1/labels", &[])).status, 200);
}

/// A value of `Authorization` that is nearly right, or not at all.
fn credentials(number: usize, good: &str, rng: &mut StdRng) -> String {
    let (prefix, secret) = good.split_at(good.len() - 64);
    match number % 10 {
        // one digit of the secret is another one
        0 => {
            let mut digits = secret.as_bytes().to_vec();
            let at = rng.random_range(0..digits.len());
            digits[at] = if digits[at] == b'0' { b'1' } else { b'0' };
            format!("Bearer {prefix}{}", String::from_utf8(digits).expect("digits"))
        }
        1 => format!("Bearer {}", &good[..rng.random_range(0..good.len())]),
        2 => format!("Bearer {good}{}", rng.random_range(0..10)),
        3 => format!("Basic {good}"),
        4 => good.to_owned(),
        5 => format!("Bearer {}", good.to_uppercase()),
        6 => format!("Bearer {}", "x".repeat(rng.random_range(0..8000))),
        7 => format!("Bearer {good} {good}"),
        8 => format!("Bearer,{good}"),
        _ => (0..rng.random_range(1..200)).map(|_| char::from(rng.random_range(b'!'..b'~'))).collect(),
    }
}

#[test]
fn a_lost_root_token_is_replaced_in_its_file_without_a_restart() {
    let node = node_with_tokens();
    let old = node.http().with_token(ROOT);
    assert_eq!(answer(old.get("/api/v1/tokens", &[])).status, 200);
    let file = node.folder().join("root-token");
    let other = "another-root-token-of-more-than-32-characters";
    fs::write(&file, other).expect("a folder of ours");
    let new = node.http().with_token(other);
    wait_until("the other root token to be taken", SOON, || {
        answer(new.get("/api/v1/tokens", &[])).status == 200
    });
    assert_eq!(answer(old.get("/api/v1/tokens", &[])).status, 401);
    fs::write(&file, "short").expect("a folder of ours");
    wait_until("the log to tell of it", SOON, || node.log().contains("openssl rand -hex 32"));
    assert_eq!(answer(new.get("/api/v1/tokens", &[])).status, 200, "a bad file leaves the old token");
}

#[test]
fn a_node_with_a_certificate_speaks_tls_follows_its_files_and_ends_in_good_order() {
    let (folder, ca) = (folder(), Authority::new("the first CA"));
    let (cert, key) = ca.issue(&["127.0.0.1"]).write(folder.path(), "node");
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let root = root_token(&folder, ROOT);
    let settings = [
        ("tls.cert", cert.as_str()),
        ("tls.key", &key),
        ("access.tokens", "true"),
        ("access.root_token_file", &root),
    ];
    let mut node = Node::start_in(folder, &settings, Some(ca.pem()));
    assert!(node.log().contains("https://"), "{}", node.log());
    let http = node.http().with_token(ROOT);
    fixture::write(&http, &fixture::request(now_ms() - 1000));
    assert_eq!(http.data("/api/v1/query", &[("query", "count(up)")])["result"][0]["value"][1], "3");
    let plain = answer(Http::new(format!("http://{}", node.address())).get("/-/ready", &[]));
    assert_eq!(plain.status, 400);
    assert!(plain.text().contains("https"), "{}", plain.text());
    let next = Authority::new("the next CA");
    let believer = Http::secure(node.url(), &next.pem());
    assert!(believer.get("/-/ready", &[]).is_err(), "nobody of that CA is here yet");
    next.issue(&["127.0.0.1"]).write(node.folder(), "node");
    wait_until("the next certificate", SOON, || {
        // a new client: one that has a connection keeps it
        Http::secure(node.url(), &next.pem()).get("/-/ready", &[]).is_ok()
    });
    assert_eq!(answer(http.get("/api/v1/labels", &[])).status, 200, "open connections go on");
    node.stop();
}
