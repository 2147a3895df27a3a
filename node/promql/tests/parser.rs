//! The parser: what is refused and where, what comes back from the printer, and input that is meant to hurt.

use plimsoll_promql::{MAX_LENGTH, ParseOptions, expr_json, parse, parse_selector};
use proptest::prelude::*;

fn error(query: &str) -> String {
    match parse(query, ParseOptions::default()) {
        Ok(expr) => panic!("{query} was parsed as {expr}"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn errors_name_their_place_and_what_was_expected() {
    let cases = [
        ("", "1:1: parse error: no expression found in input"),
        ("foo{", "1:5: parse error: unexpected end of input inside braces"),
        ("(foo", "1:5: parse error: unclosed left parenthesis"),
        ("foo[", "1:5: parse error: unclosed left bracket"),
        ("foo)", "1:4: parse error: unexpected right parenthesis ')'"),
        ("sum(foo", "1:8: parse error: unclosed left parenthesis"),
        ("foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"),
        ("foo{a=1}", "1:7: parse error: unexpected character inside braces: '1'"),
        ("foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"),
        ("foo bar", "1:5: parse error: unexpected identifier \"bar\""),
        ("1 + + \n * 2", "2:2: parse error: unexpected <op:*>"),
        ("nope(1)", "1:1: parse error: unknown function with name \"nope\""),
        (
            "rate(foo)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("rate(foo[5m], 1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2"),
        ("round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"),
        ("round(a, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        (
            "topk(foo)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        ("1 == 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("a and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("a and on(x) group_left() b", "1:1: parse error: no grouping allowed for \"and\" operation"),
        (
            "a + on(x) group_left(x) b",
            "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once",
        ),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{a=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""),
        ("foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"),
        ("foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        (
            "1 offset 1m",
            "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("foo[0m]", "1:5: parse error: duration must be greater than 0"),
        ("foo[5m] [5m]", "1:9: parse error: ranges only allowed for vector selectors"),
        ("foo offset 5m [5m]", "1:15: parse error: no offset modifiers allowed before range"),
        ("foo[1h30]", "1:5: parse error: bad number or duration syntax: \"1h30\""),
        ("foo[5m1h]", "1:5: parse error: not a valid duration string: \"5m1h\""),
        ("\"abc", "1:1: parse error: unterminated quoted string"),
        ("foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: unclosed group: `(`"),
        ("a =~ b", "1:3: parse error: unexpected character after '=': '~'"),
        ("avg_over_time(foo[1m:1h:])", "1:24: parse error: unexpected colon ':'"),
        (
            "foo anchored smoothed",
            "1:1: parse error: anchored and smoothed modifiers cannot be used together",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(error(query), expected, "{query}");
    }
}

#[test]
fn the_printer_writes_one_form_that_reads_as_the_same() {
    let cases = [
        ("foo", "foo"),
        ("  sum by(a ,b)(rate(x{c='d'}[90s])) ", "sum by (a, b) (rate(x{c=\"d\"}[1m30s]))"),
        ("sum(x) without (a)", "sum without (a) (x)"),
        ("-a ^ 2", "-a ^ 2"),
        ("(a+b)*c", "(a + b) * c"),
        ("a<bool on(x)group_left(y)b", "a < bool on (x) group_left (y) b"),
        ("{\"my metric\",\"a b\"!=\"c\"}", "{\"a b\"!=\"c\",__name__=\"my metric\"}"),
        ("x[5m] @ 1.5 offset -1h", "x[5m] @ 1.500 offset -1h"),
        ("x @ start()", "x @ start()"),
        ("rate(x[1h:])[30m:1m]", "rate(x[1h:])[30m:1m]"),
        ("a fill_left(1) + b", "a"),
        ("a + fill(0) b", "a + fill (0) b"),
        ("x[step()*2]", "x[step() * 2]"),
        ("x offset (1h+step())", "x offset (1h + step())"),
        ("rate(x[5m] anchored)", "rate(x[5m] anchored)"),
        ("h </ 5", "h </ 5"),
        ("1e3", "1000"),
        ("0x1F", "31"),
        ("1_000.5", "1000.5"),
        ("Inf", "+Inf"),
        ("\"a\\n\\x41\"", "\"a\\nA\""),
        ("'a\"b'", "\"a\\\"b\""),
        ("topk(5, x)", "topk(5, x)"),
        ("count_values(\"v\", x)", "count_values(\"v\", x)"),
        ("and + or", "and + or"),
        ("a # comment\n + b", "a + b"),
    ];
    for (query, printed) in cases {
        let parsed = parse(query, ParseOptions::default());
        let Ok(expr) = parsed else {
            assert_eq!(printed, "a", "{query}: {parsed:?}");
            continue;
        };
        assert_eq!(expr.to_string(), printed);
        let again = parse(printed, ParseOptions::default()).expect(printed);
        assert_eq!(again.to_string(), printed);
    }
}

#[test]
fn experimental_parts_can_be_turned_off() {
    let stable = ParseOptions { experimental: false };
    for query in [
        "limitk(1, x)",
        "mad_over_time(x[5m])",
        "x[step()]",
        "a + fill(0) b",
        "rate(x[5m] anchored)",
        "start()",
    ] {
        assert!(parse(query, stable).is_err(), "{query}");
        assert!(parse(query, ParseOptions::default()).is_ok(), "{query}");
    }
}

#[test]
fn selectors_are_parsed_alone() {
    let matchers = parse_selector("up{job=~\"a|b\"}").expect("a selector");
    assert_eq!(matchers.len(), 2);
    assert!(parse_selector("up[5m]").is_err());
    assert!(parse_selector("{}").is_err());
}

#[test]
fn the_tree_is_shown_as_json() {
    let expr = parse("sum by (a) (x{b!=\"c\"}) / 2", ParseOptions::default()).expect("a query");
    let json = expr_json(&expr);
    assert!(json.starts_with(
        "{\"type\":\"binaryExpr\",\"op\":\"/\",\"lhs\":{\"type\":\"aggregation\",\"op\":\"sum\""
    ));
    assert!(json.contains("{\"name\":\"b\",\"value\":\"c\",\"type\":\"!=\"}"));
    assert!(json.contains("\"rhs\":{\"type\":\"numberLiteral\",\"val\":\"2\"}"));
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    let n = 100_000;
    let cases = [
        "(".repeat(n),
        format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        format!("{}x", "-".repeat(n)),
        format!("{}x{}", "abs(".repeat(n), ")".repeat(n)),
        format!("x{}", "[1m:]".repeat(n / 4)),
        format!("1{}", "+1".repeat(n)),
        format!("1{}", "^1".repeat(n)),
        format!("x[{}1m{}]", "(".repeat(n), ")".repeat(n)),
        format!("x[1m{}]", "+1m".repeat(n / 4)),
        format!("x offset {}1m", "-".repeat(n)),
    ];
    for query in cases {
        assert!(parse(&query, ParseOptions::default()).is_err(), "{}...", &query[..20]);
    }
}

#[test]
fn sensible_depth_and_length_are_allowed() {
    let chain = vec!["x"; 90].join(" or ");
    assert!(parse(&chain, ParseOptions::default()).is_ok());
    let long = format!("x{{a=~\"{}\"}}", vec!["value"; 10_000].join("|"));
    assert!(parse(&long, ParseOptions::default()).is_ok());
    let too_long = "x".repeat(MAX_LENGTH + 1);
    assert!(error(&too_long).contains("at most"));
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,80}") {
        let _ = parse(&text, ParseOptions::default());
    }

    #[test]
    fn random_words_of_the_language_never_panic_and_print_stably(
        words in prop::collection::vec(prop::sample::select(vec![
            "x", "y", "sum", "rate", "(", ")", "[", "]", "{", "}", "5m", "1", "\"s\"", ",", ":", "=", "=~", "!=",
            "+", "-", "*", "/", "^", "==", "and", "or", "by", "on", "group_left", "offset", "@", "start", "end",
            "bool", "fill", "anchored", "step", "range", "max_of", "topk", "0.5", "a", "`r`", "</", "1e300", "Inf",
        ]), 0..24)
    ) {
        let text = words.join(" ");
        if let Ok(expr) = parse(&text, ParseOptions::default()) {
            let printed = expr.to_string();
            let again = parse(&printed, ParseOptions::default());
            prop_assert!(again.is_ok(), "{text} was printed as {printed}: {again:?}");
            prop_assert_eq!(again.map(|e| e.to_string()).ok(), Some(printed));
        }
    }
}
