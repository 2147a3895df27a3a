//! Go's syntax of regular expressions, written as regex-syntax reads it.

/// Go's limit for counted repetition.
const REPEAT_LIMIT: u32 = 1000;

/// Rewrites Go's syntax where regex-syntax reads it differently.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    let mut class_start = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let at_start = std::mem::take(&mut class_start);
        match c {
            '\\' => {
                rest = escape(after, in_class, &mut out)?;
                continue;
            }
            '[' if !in_class => {
                in_class = true;
                class_start = true;
                out.push('[');
                if let Some(tail) = after.strip_prefix('^') {
                    out.push('^');
                    rest = tail;
                    continue;
                }
            }
            '[' if after.starts_with(':') && after.contains(":]") => {
                let end = after.find(":]").unwrap_or(0) + 2;
                out.push('[');
                out.push_str(&after[..end]);
                rest = &after[end..];
                continue;
            }
            ']' if in_class && !at_start => {
                in_class = false;
                out.push(']');
            }
            '[' | ']' | '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && after.starts_with('-') => out.push_str("\\-"),
            '{' if !in_class => match repetition(rest) {
                Some(counts) if counts.iter().any(|n| *n > REPEAT_LIMIT) => {
                    return Err(format!("error parsing regexp: invalid repeat count: `{pattern}`"));
                }
                Some(_) => out.push('{'),
                None => out.push_str("\\{"),
            },
            c => out.push(c),
        }
        rest = after;
    }
    Ok(out)
}

/// Translates the escape whose backslash was just read; answers what follows it.
fn escape<'a>(rest: &'a str, in_class: bool, out: &mut String) -> Result<&'a str, String> {
    let Some(c) = rest.chars().next() else {
        return Err("error parsing regexp: trailing backslash at end of expression: ``".into());
    };
    let after = &rest[c.len_utf8()..];
    let class = match c {
        'd' => Some(("0-9", false)),
        'D' => Some(("0-9", true)),
        'w' => Some(("0-9A-Za-z_", false)),
        'W' => Some(("0-9A-Za-z_", true)),
        's' => Some(("\\t\\n\\x0C\\r ", false)),
        'S' => Some(("\\t\\n\\x0C\\r ", true)),
        _ => None,
    };
    if let Some((set, negated)) = class {
        match (in_class, negated) {
            (true, false) => out.push_str(set),
            (_, true) => out.push_str(&format!("[^{set}]")),
            (false, false) => out.push_str(&format!("[{set}]")),
        }
        return Ok(after);
    }
    match c {
        'b' if !in_class => out.push_str("(?-u:\\b)"),
        'B' if !in_class => out.push_str("(?-u:\\B)"),
        'Q' => {
            let (literal, tail) = after.split_once("\\E").unwrap_or((after, ""));
            out.push_str(&regex_syntax::escape(literal));
            return Ok(tail);
        }
        'C' => return Err("error parsing regexp: invalid escape sequence: `\\C`".into()),
        '<' | '>' => out.push(c),
        c => {
            out.push('\\');
            out.push(c);
        }
    }
    Ok(after)
}

/// The counts of a repetition such as `{2}`, `{2,}`, `{2,5}` at the start of `s`.
fn repetition(s: &str) -> Option<Vec<u32>> {
    let inner = s.strip_prefix('{')?.split_once('}')?.0;
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let number = |s: &str| {
        let digits = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| s.parse().unwrap_or(u32::MAX))
    };
    let mut counts = vec![number(low)?];
    if !high.is_empty() {
        counts.push(number(high)?);
    }
    Some(counts)
}
