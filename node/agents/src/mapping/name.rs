//! Names of metrics and labels in one form, however they came: `claude_code.token.usage` (UTF-8),
//! `claude_code_token_usage_total`, `claude_code_token_usage_tokens_total` (translated for Prometheus).

/// `name` with `_` for all that is neither a letter nor a digit.
pub(super) fn normal(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Which part of a metric a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The metric itself.
    Whole,
    /// The sum of a classic histogram.
    Sum,
    /// The count of one.
    Count,
    /// A bucket of one.
    Bucket,
}

const PARTS: [(&str, Part); 3] = [("_sum", Part::Sum), ("_count", Part::Count), ("_bucket", Part::Bucket)];

/// Whether the normal form `name` is the metric `base`, with or without its unit and `_total`, and which part of it.
pub(super) fn part_of(name: &str, base: &str, units: &[String]) -> Option<Part> {
    let rest = name.strip_prefix(base)?;
    if words(rest, units) {
        return Some(Part::Whole);
    }
    PARTS.iter().find_map(|(suffix, part)| words(rest.strip_suffix(suffix)?, units).then_some(*part))
}

/// Whether `rest` is nothing but units and `_total`.
fn words(rest: &str, units: &[String]) -> bool {
    let mut parts = rest.split('_');
    parts.next() == Some("") && parts.all(|word| word == "total" || units.iter().any(|u| u == word))
}

/// A regex of all spellings of `base`, as a selector takes it.
pub(super) fn pattern(base: &str, units: &[String], exact: bool, histogram: bool) -> String {
    let base = base.replace('_', "[._]");
    let units: String = units.iter().map(|unit| format!("|{unit}")).collect();
    let words = if exact { String::new() } else { format!("([._](total{units}))*") };
    let parts = if histogram { "(_(sum|count|bucket))?" } else { "(_sum)?" };
    format!("{base}{words}{parts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_known_in_every_spelling() {
        let units = ["tokens".to_owned(), "USD".to_owned()];
        for (name, base, expected) in [
            ("claude_code.token.usage", "claude_code_token_usage", Some(Part::Whole)),
            ("claude_code_token_usage_total", "claude_code_token_usage", Some(Part::Whole)),
            ("claude_code_token_usage_tokens_total", "claude_code_token_usage", Some(Part::Whole)),
            ("claude_code_cost_usage_USD_total", "claude_code_cost_usage", Some(Part::Whole)),
            ("gen_ai_client_token_usage_sum", "gen_ai_client_token_usage", Some(Part::Sum)),
            ("gen_ai_client_token_usage_tokens_bucket", "gen_ai_client_token_usage", Some(Part::Bucket)),
            ("gen_ai_client_token_usage_sum_total", "gen_ai_client_token_usage", None),
            ("gen_ai_client_token_usage2", "gen_ai_client_token_usage", None),
            ("codex_turn_token_usage_extra", "codex_turn_token_usage", None),
        ] {
            assert_eq!(part_of(&normal(name), base, &units), expected, "{name}");
        }
    }
}
