//! Names of OpenTelemetry as Prometheus writes them:
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

use std::borrow::Cow;

/// How names are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// `http.server.duration` in `s` becomes `http_server_duration_seconds`, counters end in `_total`; attributes likewise.
    #[default]
    Prometheus,
    /// Characters that Prometheus did not know become `_`, and nothing is added.
    Underscores,
    /// Names stay as they are, unit and `_total` are added.
    Suffixes,
    /// Names stay as they are.
    Untouched,
}

impl Naming {
    fn adds_suffixes(self) -> bool {
        matches!(self, Self::Prometheus | Self::Suffixes)
    }

    fn keeps_characters(self) -> bool {
        matches!(self, Self::Suffixes | Self::Untouched)
    }

    /// The name of a metric with `unit`. `counter` says that it only rises, `gauge` that it is a plain value.
    pub(super) fn metric(self, name: &str, unit: &str, counter: bool, gauge: bool) -> String {
        match self {
            Self::Prometheus => join(name, unit, counter, gauge),
            Self::Underscores => underscored_metric(name),
            Self::Suffixes => suffixed(name, unit, counter, gauge),
            Self::Untouched => name.to_owned(),
        }
    }

    /// The unit as metadata tell it: the word that stands in the name, or what was sent.
    pub(super) fn unit(self, unit: &str) -> Cow<'_, str> {
        if !self.adds_suffixes() {
            return Cow::Borrowed(unit);
        }
        let (main, per) = unit_words(unit);
        match (main.is_empty(), per.is_empty()) {
            (_, true) => Cow::Owned(main),
            (true, false) => Cow::Owned(format!("per_{per}")),
            (false, false) => Cow::Owned(format!("{main}_per_{per}")),
        }
    }

    /// The name of a label for an attribute.
    pub(super) fn label(self, key: &str) -> Cow<'_, str> {
        if self.keeps_characters() || is_label(key) {
            return Cow::Borrowed(key);
        }
        let mut out = String::with_capacity(key.len() + 4);
        for c in key.chars() {
            // several in a row are one, as in the names of metrics
            let c = if c.is_ascii_alphanumeric() { c } else { '_' };
            if c != '_' || !out.ends_with('_') {
                out.push(c);
            }
        }
        if out.starts_with(|c: char| c.is_ascii_digit()) {
            out.insert_str(0, "key_");
        }
        Cow::Owned(out)
    }
}

/// Whether a label may be called so without any change.
fn is_label(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The words of a name: what stands between characters that Prometheus did not know.
fn tokens(name: &str) -> Vec<&str> {
    name.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter(|t| !t.is_empty()).collect()
}

fn join(name: &str, unit: &str, counter: bool, gauge: bool) -> String {
    let (main, per) = unit_words(unit);
    let mut tokens = tokens(name);
    if tokens.is_empty() {
        return String::new();
    }
    if !main.is_empty() && !tokens.contains(&main.as_str()) {
        tokens.push(&main);
    }
    if !per.is_empty() && !tokens.contains(&per.as_str()) {
        if tokens.last() != Some(&"per") {
            tokens.push("per");
        }
        tokens.push(&per);
    }
    if counter {
        tokens.retain(|t| *t != "total");
        tokens.push("total");
    } else if gauge && unit == "1" {
        tokens.retain(|t| *t != "ratio");
        tokens.push("ratio");
    }
    let mut out = tokens.join("_");
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

fn suffixed(name: &str, unit: &str, counter: bool, gauge: bool) -> String {
    let mut out = if counter { name.strip_suffix("_total").unwrap_or(name) } else { name }.to_owned();
    let mut add = |suffix: &str| {
        if !out.ends_with(suffix) {
            out.push('_');
            out.push_str(suffix);
        }
    };
    let (main, per) = unit_words(unit);
    if !main.is_empty() {
        add(&main);
    }
    if !per.is_empty() {
        add(&format!("per_{per}"));
    }
    if counter {
        add("total");
    } else if gauge && unit == "1" {
        add("ratio");
    }
    out
}

fn underscored_metric(name: &str) -> String {
    let mut out: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' }).collect();
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

/// What a unit (UCUM) adds to a name: its word, and the word after `per`. Annotations in braces add nothing.
fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    (word(main, main_unit), word(per, per_unit))
}

fn word(unit: &str, known: fn(&str) -> Option<&'static str>) -> String {
    let unit = unit.trim();
    if unit.is_empty() || unit.contains(['{', '}']) {
        return String::new();
    }
    known(unit).map_or_else(|| tokens(unit).join("_"), str::to_owned)
}

fn main_unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "1" => "",
        _ => return None,
    })
}

fn per_unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_prometheus_names_them() {
        for (name, unit, counter, gauge, want) in [
            ("http.server.request.duration", "s", false, false, "http_server_request_duration_seconds"),
            ("system.io", "By", true, false, "system_io_bytes_total"),
            ("system.io_bytes_total", "By", true, false, "system_io_bytes_total"),
            ("cpu.utilization", "1", false, true, "cpu_utilization_ratio"),
            ("requests", "{request}", true, false, "requests_total"),
            ("net.speed", "By/s", false, true, "net_speed_bytes_per_second"),
            ("net.packets", "{packet}/s", false, true, "net_packets_per_second"),
            ("claude_code.cost.usage", "USD", true, false, "claude_code_cost_usage_USD_total"),
            ("claude_code.token.usage", "tokens", true, false, "claude_code_token_usage_tokens_total"),
            ("gen_ai.client.token.usage", "{token}", false, false, "gen_ai_client_token_usage"),
            ("2nd.try", "", false, true, "_2nd_try"),
            ("a..b--c_", "", false, false, "a_b_c"),
            ("job:rate:5m", "", false, true, "job:rate:5m"),
            ("battery", "%", false, true, "battery_percent"),
        ] {
            assert_eq!(Naming::Prometheus.metric(name, unit, counter, gauge), want);
        }
    }

    #[test]
    fn the_other_ways_change_less() {
        let all = |name: &str, unit: &str| {
            [Naming::Underscores, Naming::Suffixes, Naming::Untouched]
                .map(|n| n.metric(name, unit, true, false))
        };
        assert_eq!(all("a.b", "s"), ["a_b", "a.b_seconds_total", "a.b"]);
        assert_eq!(all("a_seconds_total", "s"), ["a_seconds_total"; 3]);
        assert_eq!(Naming::Prometheus.unit("By/s"), "bytes_per_second");
        assert_eq!(Naming::Untouched.unit("By/s"), "By/s");
    }

    #[test]
    fn labels_keep_to_letters_digits_and_underscores() {
        for (key, want) in [
            ("http.request.method", "http_request_method"),
            ("session.id", "session_id"),
            ("plain_1", "plain_1"),
            ("1st", "key_1st"),
            ("é", "_"),
            ("a--b", "a_b"),
            ("__reserved", "__reserved"),
        ] {
            assert_eq!(Naming::Prometheus.label(key), want);
        }
        assert_eq!(Naming::Untouched.label("http.request.method"), "http.request.method");
    }
}
