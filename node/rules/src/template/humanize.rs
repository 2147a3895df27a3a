//! Numbers, lengths and times as people read them, digit for digit as Prometheus writes them.

/// Go's `%v` of a number: the shortest digits, with an exponent below 1e-4 and from a million on.
pub fn plain(v: f64) -> String {
    let scientific = format!("{v:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e').filter(|_| v.is_finite()) else {
        return general(v, 4);
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{v}");
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Go's `%.Ng`: `digits` significant digits, no zeros at the end.
pub fn general(v: f64, digits: usize) -> String {
    general_with(v, digits, false)
}

pub(super) fn general_with(v: f64, digits: usize, upper: bool) -> String {
    if v.is_nan() {
        return "NaN".to_owned();
    }
    if v.is_infinite() {
        return if v > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let digits = digits.max(1);
    let scientific = format!("{v:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let short = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let (sign, e) = (if exponent < 0 { '-' } else { '+' }, if upper { 'E' } else { 'e' });
        return format!("{}{e}{sign}{:02}", short(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    short(&format!("{v:.decimals$}"))
}

/// `1234567` as `1.235M`.
pub(super) fn humanize(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return general(v, 4);
    }
    if v.abs() >= 1.0 {
        return scaled(v, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"], "");
    }
    small(v, "")
}

/// `1048576` as `1Mi`.
pub(super) fn humanize_1024(v: f64) -> String {
    if v.abs() <= 1.0 || !v.is_finite() {
        return general(v, 4);
    }
    scaled(v, 1024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"], "")
}

fn scaled(mut v: f64, step: f64, prefixes: &[&str], unit: &str) -> String {
    let mut prefix = "";
    for next in prefixes {
        if v.abs() < step {
            break;
        }
        prefix = next;
        v /= step;
    }
    format!("{}{prefix}{unit}", general(v, 4))
}

fn small(mut v: f64, unit: &str) -> String {
    let mut prefix = "";
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if v.abs() >= 1.0 {
            break;
        }
        prefix = next;
        v *= 1000.0;
    }
    format!("{}{prefix}{unit}", general(v, 4))
}

/// Seconds as `1d 2h 3m 4s`, or `12.3ms`.
pub fn humanize_duration(v: f64) -> String {
    if !v.is_finite() {
        return general(v, 4);
    }
    if v == 0.0 {
        return format!("{}s", general(v, 4));
    }
    if v.abs() < 1.0 {
        return small(v, "s");
    }
    let sign = if v < 0.0 { "-" } else { "" };
    let v = v.abs();
    let whole = v as i64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", general(v, 4))
    }
}

/// A time as Go prints it: `2015-10-25 21:49:45.123 +0000 UTC`.
pub(super) fn time(ms: i64) -> String {
    let text = plimsoll_promql::format_time(ms.div_euclid(1000) * 1000);
    let (date, clock) = text.trim_end_matches('Z').split_once('T').unwrap_or((&text, ""));
    let fraction = match ms.rem_euclid(1000) {
        0 => String::new(),
        n => format!(".{n:03}").trim_end_matches('0').to_owned(),
    };
    format!("{date} {clock}{fraction} +0000 UTC")
}

/// A length of nanoseconds as Go prints it: `1h2m3.5s`.
pub(super) fn go_duration(ns: i64) -> String {
    let (sign, ns) = (if ns < 0 { "-" } else { "" }, ns.unsigned_abs());
    let part = |value: u64, unit: u64| {
        let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{ns}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", part(ns, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", part(ns, 1_000_000)),
        _ => {
            let (minutes, rest) = (ns / 60_000_000_000, ns % 60_000_000_000);
            let seconds = part(rest, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, m) => format!("{sign}{m}m{seconds}s"),
                (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
            }
        }
    }
}
