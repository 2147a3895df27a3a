//! A table a source: series as the tools send them, in each spelling, and the exclusive kinds that they come to.

use crate::world::World;

const T: i64 = 1_764_000_000_000;

/// Name, labels, value.
type Sent<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// Sends `series` with 0 at first and their value a minute later; answers input, output, cache_read, cache_write, reasoning.
fn kinds_of(series: &[Sent<'_>]) -> (World, [f64; 5]) {
    let mut world = World::new();
    for (name, labels, value) in series {
        world.send(name, labels, T, 0.0);
        world.send(name, labels, T + 60_000, *value);
    }
    world.back_to(T);
    world.pass(T + 70_000);
    let kinds = ["input", "output", "cache_read", "cache_write", "reasoning"].map(|kind| world.tokens(kind));
    (world, kinds)
}

#[test]
fn claude_code_excludes_cached_tokens_from_input_in_every_spelling() {
    for name in
        ["claude_code_token_usage_tokens_total", "claude_code_token_usage_total", "claude_code.token.usage"]
    {
        let base =
            |kind| [("session_id", "s1"), ("model", "claude-sonnet-4-5"), ("user_id", "u"), ("type", kind)];
        let (world, kinds) = kinds_of(&[
            (name, &base("input"), 100.0),
            (name, &base("output"), 50.0),
            (name, &base("cacheRead"), 9_000.0),
            (name, &base("cacheCreation"), 400.0),
        ]);
        assert_eq!(kinds, [100.0, 50.0, 9_000.0, 400.0, 0.0], "{name}");
        // 100 at 3, 50 at 15, 9000 at 0.30, 400 at 3.75, each a million
        let cost =
            world.rise("llm_cost_usd_total", &[("price_rev", "builtin-2026-11-25"), ("session", "s1")]);
        assert!((cost - 0.005_25).abs() < 1e-15, "{cost}");
    }
}

#[test]
fn claude_codes_own_cost_stands_beside_and_is_never_added() {
    let labels = [("session_id", "s1"), ("model", "claude-opus-4-1")];
    let (world, _) = kinds_of(&[("claude_code_cost_usage_USD_total", &labels, 12.5)]);
    assert_eq!(world.rise("llm_cost_reported_usd_total", &[]), 12.5);
    assert_eq!(world.rise("llm_cost_usd_total", &[]), 0.0);
}

#[test]
fn codex_counts_cached_tokens_in_input_and_reasoning_in_output() {
    for name in ["codex_turn_token_usage_sum", "codex.turn.token_usage_sum"] {
        let base = |kind| [("model", "gpt-5-codex"), ("token_type", kind)];
        let (world, kinds) = kinds_of(&[
            (name, &base("total"), 11_000.0),
            (name, &base("input"), 10_000.0),
            (name, &base("cached_input"), 8_000.0),
            (name, &base("output"), 1_000.0),
            (name, &base("reasoning_output"), 700.0),
        ]);
        assert_eq!(kinds, [2_000.0, 300.0, 8_000.0, 0.0, 700.0], "{name}");
        assert_eq!(kinds.iter().sum::<f64>(), 11_000.0, "the kinds add up to what codex calls total");
        assert_eq!(world.rise("llm_tokens_gross_total", &[("token_type", "input")]), 10_000.0);
        // 2000 at 1.25, 8000 at 0.125, 1000 at 10
        let cost = world.rise("llm_cost_usd_total", &[]);
        assert!((cost - 0.0135).abs() < 1e-15, "{cost}");
    }
}

#[test]
fn gemini_counts_cached_tokens_in_input_and_thoughts_beside_output() {
    for name in ["gemini_cli_token_usage_total", "gemini_cli.token.usage", "gemini_cli_token_usage"] {
        let base = |kind| [("model", "gemini-2.5-pro"), ("session_id", "g"), ("type", kind)];
        let (_, kinds) = kinds_of(&[
            (name, &base("input"), 5_000.0),
            (name, &base("cache"), 4_000.0),
            (name, &base("output"), 200.0),
            (name, &base("thought"), 300.0),
            (name, &base("tool"), 50.0),
        ]);
        assert_eq!(kinds, [1_050.0, 200.0, 4_000.0, 0.0, 300.0], "{name}");
    }
}

#[test]
fn gemini_is_not_counted_again_by_the_genai_metrics_that_it_sends_too() {
    let own = [("model", "gemini-2.5-pro"), ("type", "output"), ("job", "gemini-cli")];
    let other =
        [("gen_ai_request_model", "gemini-2.5-pro"), ("gen_ai_token_type", "output"), ("job", "gemini-cli")];
    let (world, kinds) = kinds_of(&[
        ("gemini_cli_token_usage_total", &own, 200.0),
        ("gen_ai_client_token_usage_sum", &other, 200.0),
    ]);
    assert_eq!(kinds[1], 200.0);
    assert_eq!(world.tokens("input"), 0.0);
}

#[test]
fn the_old_histogram_is_read_by_its_sum_under_system_and_provider_name() {
    for provider in ["gen_ai_system", "gen_ai_provider_name", "gen_ai.provider.name"] {
        let base =
            |kind| [(provider, "openai"), ("gen_ai_request_model", "gpt-4o"), ("gen_ai_token_type", kind)];
        let (world, kinds) = kinds_of(&[
            ("gen_ai_client_token_usage_sum", &base("input"), 1_000.0),
            ("gen_ai_client_token_usage_count", &base("input"), 3.0),
            ("gen_ai_client_token_usage_sum", &base("output"), 100.0),
        ]);
        assert_eq!(kinds, [1_000.0, 100.0, 0.0, 0.0, 0.0], "{provider}");
        assert_eq!(world.rise("llm_tokens_total", &[("provider", "openai"), ("model", "gpt-4o")]), 1_100.0);
    }
}

#[test]
fn the_new_counters_hold_cached_and_reasoning_tokens_twice() {
    let base =
        [("gen_ai_provider_name", "anthropic"), ("gen_ai_response_model", "claude-sonnet-4-5"), ("job", "a")];
    let of = "gen_ai_client_inference_usage";
    let names = [
        "input_tokens",
        "cache_read_input_tokens",
        "cache_write_input_tokens",
        "output_tokens",
        "reasoning_output_tokens",
    ];
    let names = names.map(|name| format!("{of}_{name}_total"));
    let values = [1_000.0, 700.0, 100.0, 90.0, 40.0];
    let series: Vec<_> = names.iter().zip(values).map(|(n, v)| (n.as_str(), &base[..], v)).collect();
    let (world, kinds) = kinds_of(&series);
    assert_eq!(kinds, [200.0, 50.0, 700.0, 100.0, 40.0]);
    assert_eq!(world.rise("llm_tokens_total", &[]), 1_090.0, "input and output, nothing twice");
}

#[test]
fn a_process_that_sends_old_and_new_names_is_counted_by_the_new_ones() {
    let new = [("gen_ai_response_model", "gpt-5"), ("job", "svc"), ("instance", "i1")];
    let old = [
        ("gen_ai_response_model", "gpt-5"),
        ("job", "svc"),
        ("instance", "i1"),
        ("gen_ai_token_type", "input"),
    ];
    let elsewhere = [
        ("gen_ai_response_model", "gpt-5"),
        ("job", "svc"),
        ("instance", "i2"),
        ("gen_ai_token_type", "input"),
    ];
    let (world, _) = kinds_of(&[
        ("gen_ai_client_inference_usage_input_tokens_total", &new, 500.0),
        ("gen_ai_client_token_usage_sum", &old, 500.0),
        ("gen_ai_client_token_usage_sum", &elsewhere, 30.0),
    ]);
    assert_eq!(world.tokens("input"), 530.0);
}

#[test]
fn names_of_the_specification_are_made_canonical_and_canonical_ones_answer_to_them() {
    let spec = [("loop_type", "research"), ("token_type", "input"), ("model", "gpt-5")];
    let direct =
        [("loop_type", "coding"), ("token_type", "input"), ("model", "gpt-5"), ("provider", "openai")];
    let (world, _) = kinds_of(&[
        ("llm_tokens_used", &spec, 70.0),
        ("llm_tokens_total", &direct, 900.0),
        ("tool_invocations", &[("tool", "bash"), ("loop_type", "research")], 4.0),
        ("tool_invocations_total", &[("tool", "bash"), ("loop_type", "coding")], 6.0),
        ("loop_errors_total", &[("error_type", "timeout"), ("loop_type", "coding")], 2.0),
        ("loop_execution_duration_seconds_count", &[("status", "success"), ("loop_type", "coding")], 5.0),
        (
            "loop_execution_duration_seconds_bucket",
            &[("status", "success"), ("loop_type", "coding"), ("le", "1")],
            3.0,
        ),
    ]);
    assert_eq!(world.rise("llm_tokens_total", &[]), 70.0, "what was canonical is not written again");
    assert_eq!(world.rise("llm_tokens_used", &[("loop_type", "coding")]), 900.0);
    assert_eq!(
        world.rise("llm_tokens_used", &[("loop_type", "research")]),
        0.0,
        "it is there as it was sent"
    );
    assert_eq!(world.rise("tool_invocations_total", &[]), 4.0);
    assert_eq!(world.rise("tool_invocations", &[]), 6.0);
    assert_eq!(world.rise("loop_errors", &[]), 2.0);
    assert_eq!(world.rise("loop_execution_duration_count", &[]), 5.0);
    assert_eq!(world.rise("loop_execution_duration_bucket", &[("le", "1")]), 3.0);
    // (70 + 900) input tokens of gpt-5, one of them without a provider's name
    let cost = world.rise("llm_cost_usd_total", &[]);
    assert!((cost - 970.0 * 1.25e-6).abs() < 1e-15, "{cost}");
}

#[test]
fn a_model_without_a_price_is_counted_and_costs_nothing_silently() {
    let labels = [("loop_type", "x"), ("token_type", "output"), ("model", "gpt-99"), ("provider", "openai")];
    let (world, _) = kinds_of(&[("llm_tokens_total", &labels, 900.0)]);
    assert_eq!(world.rise("llm_price_missing_total", &[("model", "gpt-99")]), 900.0);
    assert_eq!(world.rise("llm_cost_usd_total", &[]), 0.0);
}

#[test]
fn durations_in_milliseconds_become_seconds() {
    let labels = |le| [("tool", "shell"), ("success", "true"), ("le", le)];
    let (world, _) = kinds_of(&[
        ("codex_tool_call_duration_ms_milliseconds_bucket", &labels("250"), 3.0),
        ("codex_tool_call_duration_ms_milliseconds_bucket", &labels("+Inf"), 4.0),
        ("codex_tool_call_duration_ms_milliseconds_sum", &[("tool", "shell"), ("success", "true")], 900.0),
    ]);
    assert_eq!(world.rise("tool_duration_seconds_bucket", &[("le", "0.25"), ("outcome", "success")]), 3.0);
    assert_eq!(world.rise("tool_duration_seconds_bucket", &[("le", "+Inf")]), 4.0);
    assert_eq!(world.rise("tool_duration_seconds_sum", &[("tool", "shell")]), 0.9);
}
