//! Queries, lists and exports against a node that answers well, wrongly, or not at all.

use crate::fake::{FakeNode, Gone, Say};
use plimsoll_client::model::Fault;
use plimsoll_client::{Client, Data, Error, Outcome, Selection, TextFormat};
use std::time::Duration;

const EMPTY_VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

fn client(node: &FakeNode) -> Client {
    Client::new(&node.url).expect("a client")
}

fn form(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn a_query_is_a_form_with_its_time_and_timeout() {
    let node = FakeNode::start([Say::json(EMPTY_VECTOR)]).await;
    let answer = client(&node).query("up{a=\"b&c\"}", Some(4_000)).await.expect("an answer");
    assert_eq!(answer.data, Data::Vector(vec![]));
    let asked = &node.asked()[0];
    assert_eq!((asked.method.as_str(), asked.uri.path()), ("POST", "/api/v1/query"));
    assert_eq!(form(&asked.body), "query=up%7Ba%3D%22b%26c%22%7D&time=4&timeout=30");
}

#[tokio::test]
async fn a_range_query_names_its_ends_and_step() {
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1.5,"2"]]}]},"warnings":["w"]}"#;
    let node = FakeNode::start([Say::json(body)]).await;
    let answer =
        client(&node).query_range("x", 1_500, 2_000, Duration::from_millis(250)).await.expect("an answer");
    let Data::Matrix(series) = answer.data else { panic!("not a matrix") };
    assert_eq!((series[0].floats.as_slice(), answer.warnings), (&[(1_500, 2.0)][..], vec!["w".to_owned()]));
    assert_eq!(form(&node.asked()[0].body), "query=x&start=1.500&end=2&step=0.25&timeout=30");
}

#[tokio::test]
async fn lists_are_asked_for_and_read() {
    let node = FakeNode::start([
        Say::json(r#"{"status":"success","data":["a","b"]}"#),
        Say::json(r#"{"status":"success","data":["x"]}"#),
        Say::json(r#"{"status":"success","data":[{"__name__":"up","job":"j"}],"warnings":["cut"]}"#),
        Say::json(r#"{"status":"success","data":{"up":[{"type":"gauge","help":"h","unit":""}]}}"#),
    ])
    .await;
    let c = client(&node);
    let selection = Selection { limit: Some(5), start: Some(1_000), ..Selection::matching("up") };
    assert_eq!(c.labels(&selection).await.expect("labels").data, ["a", "b"]);
    assert_eq!(c.label_values("http.code", &selection).await.expect("values").data, ["x"]);
    let series = c.series(&selection).await.expect("series");
    assert_eq!((series.data[0].to_string().as_str(), series.warnings[0].as_str()), ("up{job=\"j\"}", "cut"));
    assert_eq!(c.metadata(None).await.expect("metadata")["up"][0].kind, "gauge");
    let asked = node.asked();
    assert_eq!(form(&asked[0].body), "match%5B%5D=up&start=1&limit=5");
    assert_eq!(asked[1].uri.path(), "/api/v1/label/U__http_2E_code/values");
    assert_eq!(asked[1].uri.query(), Some("match%5B%5D=up&start=1&limit=5"));
}

#[tokio::test]
async fn errors_of_the_node_are_told_apart() {
    let bad = r#"{"status":"error","errorType":"bad_data","error":"1:3: parse error"}"#;
    let node = FakeNode::start([
        Say::status(400).body(bad),
        Say::status(422).body(r#"{"status":"error","errorType":"execution","error":"too many samples"}"#),
        Say::status(503).header("retry-after", 2).body("replaying the log"),
        Say::status(500).body("oops"),
        Say::json("<html>"),
    ])
    .await;
    let c = client(&node);
    let mut errors = Vec::new();
    for _ in 0..5 {
        errors.push(c.query("x", None).await.expect_err("an error"));
    }
    let faults: Vec<_> = errors.iter().map(Error::fault).collect();
    assert_eq!(faults, [Fault::Asker, Fault::Asker, Fault::Moment, Fault::Ours, Fault::Ours]);
    assert!(errors[0].to_string().ends_with("(HTTP 400, bad_data): 1:3: parse error"), "{}", errors[0]);
    let Error::Busy { retry_after, .. } = &errors[2] else { panic!("not busy: {:?}", errors[2]) };
    assert_eq!(*retry_after, Some(Duration::from_secs(2)));
    assert!(matches!(errors[4], Error::Answer { .. }));
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_without_being_kept() {
    let node = FakeNode::start([Say::json(&"x".repeat(10_000))]).await;
    let c = Client::builder().url(&node.url).max_answer_bytes(1_000).build().expect("a client");
    let e = c.query("x", None).await.expect_err("too large");
    assert!(matches!(e, Error::TooLarge { limit_bytes: 1_000 }), "{e:?}");
}

#[tokio::test]
async fn a_silent_node_is_a_timeout_and_a_write_to_it_perhaps_done() {
    let node = FakeNode::start([]).await.rule(|_| Some(Say::status(204).after(Duration::from_secs(30))));
    let c = Client::builder().url(&node.url).timeout(Duration::from_millis(50)).build().expect("a client");
    let e = c.write(&[]).await.expect_err("no answer");
    assert!(matches!(e, Error::Timeout { .. }), "{e:?}");
    assert_eq!(e.outcome(), Outcome::Perhaps);
}

#[tokio::test]
async fn the_next_url_is_asked_when_one_is_away_and_remembered() {
    let node = FakeNode::start([]).await.rule(|_| Some(Say::json(EMPTY_VECTOR)));
    let gone = Gone::new();
    let c = Client::builder().urls([gone.url.clone(), node.url.clone()]).build().expect("a client");
    for _ in 0..3 {
        c.query("x", None).await.expect("the second node answers");
    }
    assert_eq!(node.asked().len(), 3);
}

#[tokio::test]
async fn a_write_is_not_sent_to_two_nodes_when_the_first_may_have_taken_it() {
    let first = FakeNode::start([Say::status(503)]).await;
    let second = FakeNode::start([]).await;
    let urls = [first.url.clone(), second.url.clone()];
    let c = Client::builder().urls(urls).build().expect("a client");
    let e = c.write(&[]).await.expect_err("the first is busy");
    assert!(matches!(e, Error::Busy { status: 503, .. }), "{e:?}");
    assert_eq!(second.asked().len(), 0);
    // A question may be asked twice.
    let first = FakeNode::start([Say::status(503)]).await;
    let second = FakeNode::start([Say::json(EMPTY_VECTOR)]).await;
    let c = Client::builder().urls([first.url.clone(), second.url.clone()]).build().expect("a client");
    c.query("x", None).await.expect("the second answers");
}

#[tokio::test]
async fn the_token_and_headers_are_sent() {
    let node = FakeNode::start([Say::json(EMPTY_VECTOR)]).await;
    let c = Client::builder()
        .url(&node.url)
        .token("s3cret")
        .header("X-Scope-OrgID", "t1")
        .build()
        .expect("a client");
    c.query("x", None).await.expect("an answer");
    let asked = &node.asked()[0];
    assert_eq!((asked.header("authorization"), asked.header("x-scope-orgid")), ("Bearer s3cret", "t1"));
    assert!(!format!("{c:?}").contains("s3cret"), "the token shows in Debug");
}

#[tokio::test]
async fn an_export_is_read_line_by_line() {
    let node = FakeNode::start([Say::json("{\"a\":1}\n\n{\"b\":2}\n{\"c\":3}")]).await;
    let mut export = client(&node).export(&Selection::matching("up")).await.expect("an export");
    let mut lines = Vec::new();
    while let Some(line) = export.next_line().await.expect("a line") {
        lines.push(form(&line));
    }
    assert_eq!(lines, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    assert_eq!(node.asked()[0].uri.to_string(), "/api/v1/export?match%5B%5D=up");
    assert!(export.next_line().await.expect("the end stays the end").is_none());
}

#[tokio::test]
async fn lines_are_imported_as_they_are() {
    let node = FakeNode::start([]).await;
    let c = client(&node);
    c.import(TextFormat::JsonLines, "{}\n".into()).await.expect("taken");
    c.import(TextFormat::Prometheus, "up 1\n".into()).await.expect("taken");
    let asked = node.asked();
    let paths: Vec<_> = asked.iter().map(|a| a.uri.path()).collect();
    assert_eq!(paths, ["/api/v1/import", "/api/v1/import/prometheus"]);
    assert_eq!(form(&asked[1].body), "up 1\n");
}

#[tokio::test]
async fn readiness_tells_the_nodes_clock() {
    let node = FakeNode::start([
        Say::status(200).header("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        Say::status(503).body("replaying the log"),
    ])
    .await;
    let c = client(&node);
    let clock = c.ready().await.expect("ready").clock.expect("a date");
    let since = clock.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert_eq!(since.as_secs(), 784_111_777);
    assert!(c.ready().await.expect_err("not ready").to_string().contains("replaying the log"));
}

#[tokio::test]
async fn a_refusal_before_the_body_is_read_is_seen() {
    let app =
        axum::Router::new().fallback(|| async { (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "too large") });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let c = Client::new(&url).expect("a client");
    for _ in 0..5 {
        let e = c.import(TextFormat::JsonLines, vec![b'x'; 32 << 20].into()).await.expect_err("too large");
        assert!(matches!(e, Error::Refused { status: 413, .. }), "{e:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_leaves_a_write_perhaps_done() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Something is read, so the request was on its way; then the connection is dropped.
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 64]).await;
        }
    });
    let e = Client::new(&url).expect("a client").write(&[]).await.expect_err("no answer");
    assert!(matches!(e, Error::Interrupted { .. }), "{e:?}");
    assert_eq!((e.outcome(), e.fault()), (Outcome::Perhaps, Fault::Moment));
}

#[tokio::test]
async fn upkeep_and_running_queries_are_asked_for() {
    let running = r#"{"data":{"active":[{"id":7,"query":"up","seconds":0.5,"origin":"x"}],"slow":[]}}"#;
    let compacted = r#"{"data":{"seconds":1.5,"bytes_before":10,"bytes_after":4}}"#;
    let node = FakeNode::start([Say::json(running), Say::status(200), Say::json(compacted)]).await;
    let c = client(&node);
    assert_eq!(c.queries().await.expect("a list").active[0].id, 7);
    c.cancel_query(7).await.expect("cancelled");
    let compacted = c.compact().await.expect("compacted");
    assert_eq!((compacted.took.as_millis(), compacted.bytes_after), (1_500, 4));
    let asked = node.asked();
    let calls: Vec<_> = asked.iter().map(|a| format!("{} {}", a.method, a.uri)).collect();
    assert_eq!(calls, ["GET /api/v1/queries", "DELETE /api/v1/queries/7", "POST /api/v1/admin/compact"]);
}
