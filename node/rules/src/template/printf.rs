//! Go's `Sprintf`, for the kinds of values that templates have.

use super::humanize::{general_with, plain};
use super::value::Value;
use plimsoll_promql::format_plain;

/// Widest field and longest fraction.
const WIDEST: usize = 1000;

#[derive(Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The text that `format` makes of `args`.
pub(super) fn sprintf(format: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut next = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(flag) = chars.peek().copied() {
            match flag {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            chars.next();
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, next: &mut usize| {
            if chars.peek() == Some(&'*') {
                chars.next();
                let given = args.get(*next);
                *next += 1;
                return match given {
                    Some(Value::Int(n)) => Some((*n).clamp(0, WIDEST as i64) as usize),
                    _ => None,
                };
            }
            let mut n: Option<usize> = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                n = Some((n.unwrap_or(0) * 10 + digit as usize).min(WIDEST));
                chars.next();
            }
            n
        };
        flags.width = number(&mut chars, &mut next);
        if chars.peek() == Some(&'.') {
            chars.next();
            flags.precision = Some(number(&mut chars, &mut next).unwrap_or(0));
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match args.get(next) {
                None => out.push_str(&format!("%!{verb}(BADINDEX)").replace("BADINDEX", "MISSING")),
                Some(arg) => {
                    next += 1;
                    out.push_str(&one(verb, &flags, arg));
                }
            },
        }
    }
    if next < args.len() {
        let extra: Vec<String> = args[next..].iter().map(typed).collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn typed(value: &Value) -> String {
    format!("{}={value}", value.type_name())
}

fn one(verb: char, flags: &Flags, arg: &Value) -> String {
    let bad = || format!("%!{verb}({})", typed(arg));
    let text = match (verb, arg) {
        ('v', Value::Float(v)) => {
            signed(*v, flags, |v| flags.precision.map_or_else(|| plain(v), |p| general_with(v, p, false)))
        }
        ('v', Value::Int(n)) => whole(*n, flags, |n| n.to_string()),
        ('v', Value::Text(s)) if flags.sharp => quoted(s),
        ('v', other) => other.to_string(),
        ('T', other) => other.type_name().to_owned(),
        ('t', Value::Bool(b)) => b.to_string(),
        ('d', Value::Int(n) | Value::Duration(n)) => whole(*n, flags, |n| n.to_string()),
        ('b', Value::Int(n)) => whole(*n, flags, |n| format!("{n:b}")),
        ('o', Value::Int(n)) => whole(*n, flags, |n| format!("{n:o}")),
        ('x', Value::Int(n)) => whole(*n, flags, |n| format!("{}{n:x}", if flags.sharp { "0x" } else { "" })),
        ('X', Value::Int(n)) => whole(*n, flags, |n| format!("{}{n:X}", if flags.sharp { "0X" } else { "" })),
        ('c', Value::Int(n)) => {
            u32::try_from(*n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string()
        }
        ('f' | 'F', Value::Float(v)) => signed(*v, flags, |v| fixed(v, flags.precision.unwrap_or(6))),
        ('e' | 'E', Value::Float(v)) => {
            signed(*v, flags, |v| exponent(v, flags.precision.unwrap_or(6), verb))
        }
        ('g' | 'G', Value::Float(v)) => signed(*v, flags, |v| match flags.precision {
            None => plain(v),
            Some(p) => general_with(v, p, verb == 'G'),
        }),
        ('s', Value::Text(s)) => clipped(s, flags),
        ('q', Value::Text(s)) => quoted(&clipped(s, flags)),
        ('x', Value::Text(s)) => s.bytes().map(|b| format!("{b:02x}")).collect(),
        ('X', Value::Text(s)) => s.bytes().map(|b| format!("{b:02X}")).collect(),
        ('s', Value::Labels(_) | Value::Map(_) | Value::List(_) | Value::Time(_) | Value::Duration(_)) => {
            arg.to_string()
        }
        _ => return bad(),
    };
    padded(text, flags, matches!(arg, Value::Int(_) | Value::Float(_)))
}

fn clipped(s: &str, flags: &Flags) -> String {
    flags.precision.map_or_else(|| s.to_owned(), |p| s.chars().take(p).collect())
}

fn quoted(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn whole(n: i64, flags: &Flags, digits: impl Fn(u64) -> String) -> String {
    let sign = match n {
        n if n < 0 => "-",
        _ if flags.plus => "+",
        _ if flags.space => " ",
        _ => "",
    };
    let digits = digits(n.unsigned_abs());
    format!("{sign}{}{digits}", "0".repeat(flags.precision.unwrap_or(0).saturating_sub(digits.len())))
}

fn signed(v: f64, flags: &Flags, write: impl Fn(f64) -> String) -> String {
    let text = write(v);
    match text.starts_with(['-', '+']) {
        // infinity has a plus of its own, which goes unless it is asked for
        true if text == "+Inf" || text.starts_with('-') || flags.plus => text,
        true => text,
        false if flags.plus => format!("+{text}"),
        false if flags.space => format!(" {text}"),
        false => text,
    }
}

fn fixed(v: f64, decimals: usize) -> String {
    if v.is_finite() { format!("{v:.decimals$}") } else { format_plain(v) }
}

fn exponent(v: f64, decimals: usize, verb: char) -> String {
    if !v.is_finite() {
        return format_plain(v);
    }
    let text = format!("{v:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}{verb}{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn padded(text: String, flags: &Flags, number: bool) -> String {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if flags.minus {
        return text + &" ".repeat(missing);
    }
    if flags.zero && number && !text.ends_with("Inf") && text != "NaN" {
        let split = usize::from(text.starts_with(['-', '+', ' ']));
        return format!("{}{}{}", &text[..split], "0".repeat(missing), &text[split..]);
    }
    " ".repeat(missing) + &text
}
