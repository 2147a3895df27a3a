use crate::world::labels;
use plimsoll_agents::{Mapping, Shape, SourceSeries};

#[test]
fn the_builtin_mapping_is_sound_and_reads_nothing_that_it_wrote() {
    let mapping = Mapping::builtin();
    assert!(mapping.sources().count() >= 7);
    let written = labels("llm_tokens_total", &[("telemetry_source", "codex"), ("token_type", "input")]);
    assert_eq!(mapping.read(SourceSeries { labels: &written, native: false }), None);
    let other = labels("http_requests_total", &[]);
    assert_eq!(mapping.read(SourceSeries { labels: &other, native: false }), None);
}

#[test]
fn a_native_histogram_of_tokens_is_read_and_one_of_durations_left_as_it_is() {
    let mapping = Mapping::builtin();
    let read = |name, native| {
        mapping.read(SourceSeries { labels: &labels(name, &[("gen_ai_token_type", "input")]), native })
    };
    assert!(read("gen_ai_client_token_usage", true).is_some_and(|r| matches!(r.shape, Shape::Tokens { .. })));
    assert_eq!(read("gen_ai_client_operation_duration_seconds", true), None);
}

#[test]
fn the_pattern_of_names_covers_every_spelling() {
    let pattern = Mapping::builtin().name_pattern();
    for part in ["claude_code", "codex", "gemini_cli", "gen_ai", "llm_tokens_used", "llm_tokens_total"] {
        assert!(pattern.contains(&part.replace('_', "[._]")), "{part} is missing in {pattern}");
    }
}

#[test]
fn faults_of_a_mapping_are_named_with_their_place() {
    let source = "[[source]]\nname = \"a\"\n";
    let tokens = |rest: &str| format!("{source}[[source.tokens]]\nfrom = \"x\"\nby = \"t\"\n{rest}");
    for (text, part) in [
        (source.to_string(), "source a: rules"),
        (tokens("kinds = { a = \"inputs\" }"), "unknown variant `inputs`"),
        (tokens("kinds = {}"), "kinds is empty"),
        (tokens("kinds = { a = \"input\" }\npart_of = { b = \"input\" }"), "which kinds does not"),
        (tokens("kinds = { a = \"reasoning\" }\npart_of = { a = \"cache_read\" }"), "input or output alone"),
        (
            tokens("kinds = { a = \"input\", b = \"output\" }\npart_of = { a = \"output\", b = \"input\" }"),
            "a part of a part",
        ),
        (
            format!("{source}yields_to = [\"b\"]\n[[source.counter]]\nfrom = \"x\"\nto = \"y\"\n"),
            "which is no source",
        ),
        (format!("{source}[[source.counter]]\nfrom = \"x\"\nto = \"1y\"\n"), "is no name of a metric"),
        (
            format!("{source}labels = {{ le = \"a\" }}\n[[source.counter]]\nfrom = \"x\"\nto = \"y\"\n"),
            "set by the mapping itself",
        ),
        (format!("{source}[[source.histogram]]\nfrom = \"x\"\nto = \"y\"\nscale = 0.0\n"), "scale must be"),
        (
            "[[source]]\nname = \"plimsoll\"\n[[source.counter]]\nfrom = \"x\"\nto = \"y\"\n".to_owned(),
            "sums over all sources",
        ),
        ("sessions = 0".to_owned(), "sessions: must be 1 to"),
    ] {
        let fault =
            Mapping::parse(&format!("revision = \"t\"\n{text}")).expect_err("it has a fault").to_string();
        assert!(fault.contains(part), "{fault:?} should tell {part:?}");
    }
}
