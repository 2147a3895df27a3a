//! Variables in queries, as far as a check needs them. Their values are chosen in the browser.

/// Times that a panel puts in.
const TIMES: [&str; 6] =
    ["__interval", "__rate_interval", "__range", "__interval_ms", "__range_s", "__range_ms"];

/// `expr` with an example in the place of each variable, to see whether it can be parsed; nothing where what stands
/// there could be a number, a name or an operator, so that no example would prove anything.
pub fn with_samples(expr: &str) -> Option<String> {
    let mut out = String::with_capacity(expr.len());
    let mut rest = expr;
    let mut quote = None;
    while let Some(c) = rest.chars().next() {
        if let Some(name_and_rest) = rest.strip_prefix('$').map(variable) {
            let (name, after) = name_and_rest;
            if name.is_empty() {
                out.push('$');
                rest = &rest[1..];
                continue;
            }
            match (TIMES.contains(&name), quote) {
                (true, _) if name.ends_with("_ms") || name.ends_with("_s") => out.push_str("300"),
                (true, _) => out.push_str("5m"),
                (false, Some(_)) => out.push('x'),
                (false, None) => return None,
            }
            rest = after;
            continue;
        }
        match quote {
            Some(_) if c == '\\' && quote != Some('`') => {
                let taken: String = rest.chars().take(2).collect();
                out.push_str(&taken);
                rest = &rest[taken.len()..];
                continue;
            }
            Some(open) if c == open => quote = None,
            None if "\"'`".contains(c) => quote = Some(c),
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Some(out)
}

/// The variable's name after a `$`, and what follows it.
fn variable(text: &str) -> (&str, &str) {
    if let Some((inner, after)) = text.strip_prefix('{').and_then(|t| t.split_once('}')) {
        return (inner.split(':').next().unwrap_or(""), after);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_spans_and_values_inside_of_strings_become_text() {
        for (expr, sample) in [
            ("rate(a[$__rate_interval])", "rate(a[5m])"),
            ("rate(a[${__interval}])", "rate(a[5m])"),
            ("a / $__range_s", "a / 300"),
            ("a{b=~\"$b\", c=\"${c:regex}\"}", "a{b=~\"x\", c=\"x\"}"),
            ("a{b=~\"x$\"}", "a{b=~\"x$\"}"),
            ("a{b=\"\\\"$c\"}", "a{b=\"\\\"x\"}"),
            ("a{b=`\\$c`}", "a{b=`\\x`}"),
        ] {
            assert_eq!(with_samples(expr).as_deref(), Some(sample), "{expr}");
        }
    }

    #[test]
    fn what_could_be_anything_is_not_guessed() {
        assert_eq!(with_samples("topk($n, a)"), None);
        assert_eq!(with_samples("sum by ($by) (a)"), None);
    }
}
