//! The commands as a person or a script meets them: a process, its output and its exit code.

use crate::fake::{FakeNode, Gone, Say};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"loop_type":"plan"},"value":[1700000000,"0.25"]},
    {"metric":{"loop_type":"evil\u001b[2J,\u202e"},"value":[1700000000,"NaN"]}]}}"#;

pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(o: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: o.status.code(), out: text(o.stdout), err: text(o.stderr) }
    }
}

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll-cli"));
    command.env_clear().env("PLIMSOLL_URL", url).args(arguments);
    command
}

/// Runs a command against `node` without blocking the node's runtime.
pub async fn run(node: &FakeNode, arguments: &[&str]) -> Ran {
    run_with(node, arguments, "").await
}

async fn run_with(node: &FakeNode, arguments: &[&str], input: &str) -> Ran {
    let (mut command, input) = (command(&node.url, arguments), input.to_owned());
    let run = move || {
        let io = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = io.spawn().expect("the command starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // A command that does not read has closed its end.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ran::from(child.wait_with_output().expect("the command ends"))
    };
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

#[tokio::test]
async fn a_query_is_a_table_and_hostile_labels_are_shown_not_obeyed() {
    let node = FakeNode::start([Say::json(VECTOR)]).await;
    let ran = run(&node, &["query", "x"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(
        ran.out,
        "LOOP_TYPE             VALUE\nplan                   0.25\nevil\\x1b[2J,\\u{202e}    NaN\n"
    );
    assert_eq!(ran.err, "");
}

#[tokio::test]
async fn csv_and_json_are_for_programs() {
    let node = FakeNode::start([Say::json(VECTOR), Say::json(VECTOR)]).await;
    let csv = run(&node, &["query", "x", "-o", "csv"]).await;
    let expected = "loop_type,value,time\nplan,0.25,2023-11-14T22:13:20Z\n\"evil\\x1b[2J,\\u{202e}\",NaN,2023-11-14T22:13:20Z\n";
    assert_eq!(csv.out, expected);
    let json = run(&node, &["-o", "json", "query", "x"]).await;
    let document: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(document["schema"], "plimsoll.query/1");
    assert_eq!(document["items"][1]["labels"]["loop_type"], "evil\u{1b}[2J,\u{202e}");
}

#[tokio::test]
async fn a_node_that_is_away_is_exit_5_with_the_next_step() {
    let gone = Gone::new();
    let url = &gone.url;
    let ran = Ran::from(command(url, &["query", "up"]).output().expect("the command runs"));
    assert_eq!(ran.code, Some(5));
    assert_eq!(ran.out, "");
    assert!(ran.err.starts_with(&format!("error: cannot reach {url}: ")), "{}", ran.err);
    assert!(ran.err.contains("next: start a node with `plimsoll start`"), "{}", ran.err);
}

#[tokio::test]
async fn wrong_command_lines_are_exit_2() {
    for arguments in [
        &["query"][..],
        &["query", "x", "--time", "yesterday"],
        &["range", "x", "--step", "5 apples"],
        &["range", "x", "--start", "now", "--end", "now-1h"],
        &["query", "x", "-o", "xml"],
        &["query", "x", "--url", "ftp://x"],
        &["import", "/no/such/file"],
    ] {
        let ran = Ran::from(command("http://127.0.0.1:1", arguments).output().expect("the command runs"));
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn a_refused_query_is_exit_1_with_the_nodes_reason() {
    let body = r#"{"status":"error","errorType":"bad_data","error":"1:4: unclosed"}"#;
    let node = FakeNode::start([Say::status(400).body(body)]).await;
    let ran = run(&node, &["query", "sum("]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("bad_data): 1:4: unclosed"), "{}", ran.err);
}

#[tokio::test]
async fn a_range_is_drawn_and_empty_answers_say_what_to_do() {
    let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"up"},"values":[[1000,"1"],[1060,"2"],[1120,"3"]]}]}}"#;
    let empty = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let node = FakeNode::start([Say::json(matrix), Say::json(empty)]).await;
    let arguments = ["range", "up", "--start", "1000", "--end", "1120", "--step", "1m"];
    let ran = run(&node, &arguments).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.out.contains("SERIES  MIN  AVG  MAX  LAST  GRAPH\nup        1    2    3     3  ▁▅█\n"),
        "{}",
        ran.out
    );
    let ran = run(&node, &arguments).await;
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("no series between 1970-01-01T00:16:40Z"), "{}", ran.err);
}

#[tokio::test]
async fn status_is_exit_4_when_a_shard_has_no_leader() {
    let well = r#"{"status":"success","data":{"node":{"id":1,"ready":true},"shards":[{"id":0,"leader":1,"role":"leader"}],"cluster":{"replication_factor":1}}}"#;
    let ill =
        r#"{"status":"success","data":{"node":{"id":1,"ready":true},"shards":[{"id":0,"leader":null}]}}"#;
    let node = FakeNode::start([Say::json(well), Say::json(ill)]).await;
    let ran = run(&node, &["status"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.ends_with("healthy; one copy of the data: a lost disk loses it\n"), "{}", ran.out);
    let ran = run(&node, &["status"]).await;
    assert_eq!(ran.code, Some(4));
    assert!(ran.out.ends_with("degraded: shards without a leader: 0\n"), "{}", ran.out);
}

#[tokio::test]
async fn config_check_names_every_fault_and_is_exit_3() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let bad = file("bad.toml", "[storage]\nretentoin = \"30d\"\n");
    let ran = Ran::from(command("", &["config", "check", &bad]).output().expect("the command runs"));
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("did you mean `storage.retention`"), "{}", ran.err);
    let good = file("good.toml", "[storage]\nretention = \"30d\"\n");
    let ran = Ran::from(command("", &["config", "check", &good]).output().expect("the command runs"));
    assert_eq!((ran.code, ran.out.ends_with("good.toml: ok\n")), (Some(0), true), "{}", ran.err);
    let arguments = ["config", "show", "--effective", "--config", &good, "-o", "csv"];
    let ran = Ran::from(command("", &arguments).output().expect("the command runs"));
    assert!(ran.out.contains("storage.retention,"), "{} {}", ran.out, ran.err);
}

#[tokio::test]
async fn an_export_goes_to_stdout_or_to_a_new_file() {
    let line = r#"{"metric":{"__name__":"up","job":"j"},"values":[1,2.5],"timestamps":[1000,2000]}"#;
    let node = FakeNode::start([Say::json(line), Say::json(line), Say::json(line)]).await;
    let ran = run(&node, &["export", "up"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), format!("{line}\n").as_str()));
    assert!(ran.err.contains("exported 1 lines"), "{}", ran.err);
    let ran = run(&node, &["export", "up", "--format", "prom"]).await;
    assert_eq!(ran.out, "up{job=\"j\"} 1 1000\nup{job=\"j\"} 2.5 2000\n");
    let dir = tempfile::tempdir().expect("a folder");
    let to = dir.path().join("up.csv");
    let to_text = to.to_string_lossy().into_owned();
    let arguments = ["export", "up", "--format", "csv", "--to", &to_text];
    assert_eq!(run(&node, &arguments).await.code, Some(0));
    let text = std::fs::read_to_string(&to).expect("the file");
    assert_eq!(
        text,
        "series,timestamp_ms,value\n\"up{job=\"\"j\"\"}\",1000,1\n\"up{job=\"\"j\"\"}\",2000,2.5\n"
    );
    assert_eq!(run(&node, &arguments).await.code, Some(1), "a file that is there is not overwritten");
}

#[tokio::test]
async fn what_was_exported_as_csv_is_imported_as_json_lines() {
    let node = FakeNode::start([]).await;
    let csv = "series,timestamp_ms,value\n\"up{job=\"\"j\"\"}\",1000,1\n\"up{job=\"\"j\"\"}\",2000,NaN\n";
    let ran = run_with(&node, &["import", "-"], csv).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let asked = node.asked();
    assert_eq!(asked[0].uri.path(), "/api/v1/import");
    let expected = "{\"metric\":{\"__name__\":\"up\",\"job\":\"j\"},\"timestamps\":[1000,2000],\"values\":[1.0,\"NaN\"]}\n";
    assert_eq!(String::from_utf8_lossy(&asked[0].body), expected);
}

fn write(path: &Path, lines: usize) -> u64 {
    let text: String = (0..lines).map(|i| format!("m{i} 1 1000\n")).collect();
    std::fs::write(path, &text).expect("a file");
    text.len() as u64
}

#[tokio::test]
async fn an_import_that_stops_tells_where_to_go_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("m.prom");
    let size = write(&file, 100);
    let file = file.to_string_lossy().into_owned();
    let node = FakeNode::start([Say::status(204), Say::status(403)]).await;
    let ran = run(&node, &["import", &file, "--chunk-bytes", "300"]).await;
    assert_eq!(ran.code, Some(1));
    let first = node.asked()[0].body.len();
    assert!((300..320).contains(&first), "{first}");
    assert!(ran.err.contains(&format!("stopped at byte {first}")), "{}", ran.err);
    assert!(ran.err.contains(&format!("plimsoll import {file} --from-offset {first}")), "{}", ran.err);
    let offset = first.to_string();
    let ran = run(&node, &["import", &file, "--from-offset", &offset]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let asked = node.asked();
    assert_eq!((first + asked[2].body.len()) as u64, size);
}

#[tokio::test]
async fn a_packed_file_is_unpacked_on_the_way() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("m.jsonl.gz");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let line = "{\"metric\":{\"a\":\"b\"},\"values\":[1],\"timestamps\":[1]}\n";
    packer.write_all(line.as_bytes()).expect("memory takes all");
    std::fs::write(&file, packer.finish().expect("memory takes all")).expect("a file");
    let node = FakeNode::start([]).await;
    let ran = run(&node, &["import", &file.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!((node.asked()[0].uri.path(), &node.asked()[0].body[..]), ("/api/v1/import", line.as_bytes()));
}

#[tokio::test]
async fn an_import_cuts_what_is_too_large_and_goes_on_after_refusals() {
    let node = FakeNode::start([]).await.rule(|asked| {
        let refused =
            Say::status(400).body("9 samples were taken\n3 refused (too_old): it is old; first: m0");
        match asked.body.len() {
            n if n > 200 => Some(Say::status(413)),
            _ if asked.body.starts_with(b"m0 ") => Some(refused),
            _ => None,
        }
    });
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("m.prom");
    let size = write(&file, 50);
    let ran = run(&node, &["import", &file.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(4), "a part was refused");
    assert!(ran.err.contains("refused 3 as too_old: it is old; first: m0"), "{}", ran.err);
    let taken: usize = node.asked().iter().map(|a| a.body.len()).filter(|n| *n <= 200).sum();
    assert_eq!(taken as u64, size);
}

#[tokio::test]
async fn a_reader_that_leaves_early_is_no_error() {
    let many: Vec<String> = (0..200_000).map(|i| format!("\"v{i}\"")).collect();
    let body = format!("{{\"status\":\"success\",\"data\":[{}]}}", many.join(","));
    let node = FakeNode::start([Say::json(&body)]).await;
    let mut command = command(&node.url, &["labels", "x", "-o", "jsonl"]);
    let ended = tokio::task::spawn_blocking(move || {
        let io = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = io.spawn().expect("the command starts");
        drop(child.stdout.take());
        Ran::from(child.wait_with_output().expect("the command ends"))
    });
    let ran = ended.await.expect("no panic");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn doctor_looks_at_everything_and_probes_when_asked() {
    let value = std::sync::Arc::new(std::sync::Mutex::new(0.0));
    let node = FakeNode::start([]).await.rule(move |asked| {
        Some(match asked.uri.path() {
            "/-/ready" => Say::status(200),
            "/api/v1/status/buildinfo" => {
                Say::json(r#"{"data":{"version":"2.55.0","plimsollVersion":"9.9.9"}}"#)
            }
            "/api/v1/status" => Say::json(r#"{"data":{"node":{"ready":true}}}"#),
            "/api/v1/write" => {
                *value.lock().expect("a number") = asked.samples()[0].2;
                Say::status(204)
            }
            _ => Say::json(&format!(
                r#"{{"data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[1,"{}"]}}]}}}}"#,
                value.lock().expect("a number")
            )),
        })
    });
    let ran = run(&node, &["doctor", "--probe", "-o", "csv"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let verdicts: Vec<_> =
        ran.out.lines().skip(1).map(|l| l.split(',').take(2).collect::<Vec<_>>()).collect();
    let expected = [["OK", "reach"], ["OK", "clock"], ["WARN", "version"], ["OK", "health"], ["OK", "probe"]];
    assert_eq!(verdicts, expected, "{}", ran.out);
    let away = Ran::from(command("http://127.0.0.1:1", &["doctor"]).output().expect("the command runs"));
    assert_eq!(away.code, Some(5));
    assert!(away.out.contains("FAIL"), "{}", away.out);
}

#[tokio::test]
async fn top_once_and_cardinality_speak_json() {
    let node = FakeNode::start([]).await.rule(|asked| {
        Some(match asked.uri.path() {
            "/metrics" => Say::status(200).body("process_resident_memory_bytes 1048576\n"),
            "/api/v1/cardinality" => {
                Say::json(r#"{"data":{"series":2,"metrics":[{"name":"up","series":2}]}}"#)
            }
            _ => Say::json(r#"{"data":{"ingest":{"samples_total":10}}}"#),
        })
    });
    let top = run(&node, &["top", "--once", "-o", "json"]).await;
    let document: serde_json::Value = serde_json::from_str(&top.out).expect("JSON");
    assert_eq!(
        (&document["schema"], &document["memory_bytes"]),
        (&"plimsoll.top/1".into(), &1_048_576.into())
    );
    let found = run(&node, &["cardinality", "-o", "jsonl"]).await;
    assert_eq!(found.out, "{\"kind\":\"metric\",\"name\":\"up\",\"series\":2}\n");
}

#[tokio::test]
async fn an_import_with_a_state_goes_on_by_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (file, state) = (path("m.prom"), path("state"));
    let size = write(Path::new(&file), 100);
    let node = FakeNode::start([Say::status(204), Say::status(403)]).await;
    let arguments = ["import", &file, "--chunk-bytes", "300", "--state", &state];
    let ran = run(&node, &arguments).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("go on with the same command"), "{}", ran.err);
    let ran = run(&node, &arguments).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let taken: usize =
        node.asked().iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, a)| a.body.len()).sum();
    assert_eq!(taken as u64, size);
    let before = node.asked().len();
    let ran = run(&node, &arguments).await;
    assert_eq!((ran.code, node.asked().len()), (Some(0), before), "it is done");
    let other = path("n.prom");
    write(Path::new(&other), 1);
    let ran = run(&node, &["import", &other, "--state", &state]).await;
    assert_eq!(ran.code, Some(2), "a state of another import: {}", ran.err);
}

#[tokio::test]
async fn what_was_exported_as_parquet_comes_back_in_the_same_lines() {
    let lines = concat!(
        r#"{"metric":{"__name__":"up","job":"j","odd \" name":"é"},"values":[1.5,"StaleNaN",-0.0],"timestamps":[1000,2000,-3]}"#,
        "\n",
        r#"{"metric":{"__name__":"bare"},"values":["Infinity"],"timestamps":[7]}"#,
        "\n",
        r#"{"metric":{"__name__":"sizes"},"histograms":[{"timestamp":9,"reset_hint":"gauge","schema":3,"zero_threshold":0.001,"#,
        r#""zero_count":1.0,"count":3.0,"sum":4.5,"positive_spans":[[0,1]],"negative_spans":[],"positive_buckets":[2.0],"#,
        r#""negative_buckets":[],"custom_values":[]}]}"#,
        "\n"
    );
    let node = FakeNode::start([Say::json(lines)]).await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("all.parquet").to_string_lossy().into_owned();
    let ran = run(&node, &["export", "up", "--to", &file]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("exported 3 lines, 5 samples"), "{}", ran.err);
    let ran = run(&node, &["import", &file]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(String::from_utf8_lossy(&node.asked()[1].body), lines);
    // From a row on: what is before is left out.
    let ran = run(&node, &["import", &file, "--from-offset", "4"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(node.asked()[2].body.starts_with(br#"{"metric":{"__name__":"sizes"}"#));
}

#[tokio::test]
async fn a_folder_without_blocks_and_a_file_that_is_no_parquet_are_told_with_the_next_step() {
    let node = FakeNode::start([]).await;
    let dir = tempfile::tempdir().expect("a folder");
    let ran = run(&node, &["import", &dir.path().to_string_lossy()]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("there is no block in") && ran.err.contains("meta.json"), "{}", ran.err);
    let file = dir.path().join("x.parquet");
    std::fs::write(&file, "no parquet").expect("a file");
    let ran = run(&node, &["import", &file.to_string_lossy()]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let ran = run(&node, &["import", "http://127.0.0.1:1/api/v1/read"]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--match") && ran.err.contains("--start"), "{}", ran.err);
}
