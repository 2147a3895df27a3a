use plimsoll_agents::{Asked, Book, Kind, Pico, instant};

fn at(text: &str) -> i64 {
    instant(text).expect("a time")
}

fn book(rows: &str) -> Book {
    Book::parse(&format!("revision = \"test\"\n{rows}")).unwrap_or_else(|e| panic!("{e}"))
}

fn row(model: &str, tier: &str, from: &str, input: &str) -> String {
    format!(
        "[[price]]\nprovider = \"p\"\nmodel = \"{model}\"\ntier = \"{tier}\"\nfrom = \"{from}\"\ninput = \"{input}\"\n"
    )
}

fn asked<'a>(provider: &'a str, model: &'a str, kind: Kind, tier: &'a str) -> Asked<'a> {
    Asked { provider, model, kind, tier, cache_ttl: "" }
}

#[test]
fn the_newest_price_that_began_before_holds() {
    let book = book(&(row("m", "", "2026-01-01", "3") + &row("m", "", "2026-06-01T12:00:00Z", "2")));
    let price = |time: &str| book.price(asked("p", "m", Kind::Input, ""), at(time)).map(|p| p.0 / 1_000_000);
    assert_eq!(price("2025-12-31"), None);
    assert_eq!(price("2026-01-01"), None, "what is seen at that moment was used before it");
    assert_eq!(price("2026-01-01T00:00:00.001Z"), Some(3));
    assert_eq!(price("2026-06-01T12:00:00Z"), Some(3));
    assert_eq!(price("2026-06-01T12:00:01Z"), Some(2));
}

#[test]
fn the_closest_pattern_counts_and_tiers_never_stand_in_for_each_other() {
    let rows = row("m*", "", "2026-01-01", "9")
        + &row("m-mini*", "", "2026-01-01", "1")
        + &row("m*", "batch", "2026-01-01", "4");
    let book = book(&rows);
    let price = |provider, model, tier| {
        book.price(asked(provider, model, Kind::Input, tier), at("2026-02-01")).map(|p| p.0 / 1_000_000)
    };
    assert_eq!(price("p", "m-2026", ""), Some(9));
    assert_eq!(price("p", "m-mini-2026", "default"), Some(1));
    assert_eq!(price("p", "m-2026", "batch"), Some(4));
    assert_eq!(price("p", "m-2026", "flex"), None);
    assert_eq!(price("q", "m-2026", ""), None);
    assert_eq!(price("", "m-2026", ""), Some(9), "a sender that names no provider");
    assert_eq!(price("p", "", ""), None);
}

#[test]
fn a_kind_without_a_price_has_none_but_reasoning_costs_what_output_does() {
    let book = book(
        "[[price]]\nprovider = \"p\"\nmodel = \"m\"\nfrom = \"2026-01-01\"\noutput = \"10\"\ncache_write = \"1\"\n",
    );
    let time = at("2026-02-01");
    let price = |kind| book.price(asked("p", "m", kind, ""), time);
    assert_eq!(price(Kind::Reasoning), Some(Pico(10_000_000)));
    assert_eq!(price(Kind::Input), None);
    let hour = Asked { cache_ttl: "1h", ..asked("p", "m", Kind::CacheWrite, "") };
    assert_eq!(book.price(hour, time), None, "an hour in the cache is not five minutes");
}

#[test]
fn the_builtin_book_knows_what_the_tools_of_the_builtin_mapping_run() {
    let book = Book::builtin();
    for (provider, model, kind, pico) in [
        ("anthropic", "claude-sonnet-4-5-20250929", Kind::CacheRead, 300_000),
        ("anthropic", "claude-opus-4-1-20250805", Kind::Output, 75_000_000),
        ("anthropic", "claude-opus-4-5-20251101", Kind::Output, 25_000_000),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", Kind::Input, 3_000_000),
        ("openai", "gpt-5-codex", Kind::CacheRead, 125_000),
        ("openai", "gpt-5-mini", Kind::Input, 250_000),
        ("openai", "gpt-4o-mini-2024-07-18", Kind::Output, 600_000),
        ("gcp.gemini", "gemini-2.5-flash-lite", Kind::Input, 100_000),
        ("gcp.gemini", "gemini-2.5-flash", Kind::Reasoning, 2_500_000),
    ] {
        let price = book.price(asked(provider, model, kind, ""), at("2026-11-25"));
        assert_eq!(price, Some(Pico(pico)), "{model} {kind}");
    }
    for price in book.prices() {
        assert!(
            price.source.starts_with("https://") && !price.as_of.is_empty(),
            "{:?} says where it is from",
            price.model
        );
    }
}

#[test]
fn faults_of_a_book_are_named_with_their_place() {
    let twice = row("m", "", "2026-01-01", "3") + &row("M", "", "2026-01-01", "4");
    for (rows, part) in [
        (row("m", "", "soon", "3"), "price 1 (m: from): \"soon\" is no date"),
        (row("m", "", "2026-01-01", "3 USD"), "price 1 (m: input): \"3 USD\" is not an amount"),
        (row("m", "", "2026-01-01", "0.0000001"), "more than 6 decimals"),
        (twice, "price 2: is for the same model, tier and time as price 1"),
        (
            "[[price]]\nprovider = \"p\"\nmodel = \"m\"\nfrom = \"2026-01-01\"\n".to_owned(),
            "the row has no price",
        ),
        (
            "[[price]]\nprovider = []\nmodel = \"m\"\nfrom = \"2026-01-01\"\ninput = \"1\"\n".to_owned(),
            "name at least one",
        ),
        ("[[price]]\nmodle = \"m\"\n".to_owned(), "line 3: unknown field `modle`"),
    ] {
        let fault =
            Book::parse(&format!("revision = \"test\"\n{rows}")).expect_err("it has a fault").to_string();
        assert!(fault.contains(part), "{fault:?} should tell {part:?}");
    }
    let fault = Book::parse("revision = \"a b\"").expect_err("a blank in a label").to_string();
    assert!(fault.starts_with("revision:"), "{fault}");
}
