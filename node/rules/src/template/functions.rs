//! The functions that a template can call.

use super::compare::compare;
use super::exec::Run;
use super::humanize::{general, humanize, humanize_1024, humanize_duration, time};
use super::printf::sprintf;
use super::value::Value;
use super::{Error, Found};
use plimsoll_promql::{Finder, parse_duration};
use std::collections::BTreeMap;

const NAMES: &[&str] = &[
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "html",
    "js",
    "urlquery",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "args",
    "reReplaceAll",
    "safeHtml",
    "match",
    "title",
    "toUpper",
    "toLower",
    "graphLink",
    "tableLink",
    "sortByLabel",
    "stripPort",
    "stripDomain",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "pathPrefix",
    "externalURL",
    "parseDuration",
    "urlQueryEscape",
    "join",
    "trimSpace",
    "stringSlice",
];

/// Whether there is a function of this name.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls the function `name`.
pub(super) fn call(run: &Run<'_>, name: &str, args: Vec<Value>) -> Result<Value, Error> {
    match name {
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => return compare(name, &args),
        "print" => return Ok(Value::Text(print(&args))),
        "println" => {
            let words: Vec<String> = args.iter().map(Value::to_string).collect();
            return Ok(Value::Text(words.join(" ") + "\n"));
        }
        "printf" => {
            let Some((Value::Text(format), rest)) = args.split_first() else {
                return Err(Error::new("wants a format first"));
            };
            return Ok(Value::Text(sprintf(format, rest)));
        }
        "html" | "js" | "urlquery" => return Ok(Value::Text(escape(name, &print(&args)))),
        "index" => return index(&args),
        "slice" => return slice(&args),
        "args" => {
            let named = args.into_iter().enumerate().map(|(at, v)| (format!("arg{at}"), v));
            return Ok(Value::Map(named.collect()));
        }
        "stringSlice" => return Ok(Value::List(args)),
        _ => {}
    }
    match args.as_slice() {
        [] => nullary(run, name),
        [a] => unary(run, name, a),
        [a, b] => binary(name, a, b),
        [Value::Text(pattern), Value::Text(by), Value::Text(text)] if name == "reReplaceAll" => {
            Ok(Value::Text(finder(pattern)?.replace_all(text, by)))
        }
        all => Err(wrong(name, all.len())),
    }
}

fn wrong(name: &str, got: usize) -> Error {
    Error::new(format!("wrong number or kinds of arguments for {name} ({got} given)"))
}

fn nullary(run: &Run<'_>, name: &str) -> Result<Value, Error> {
    match name {
        "now" => Ok(Value::Float(run.data.now_ms as f64 / 1000.0)),
        "externalURL" => Ok(Value::Text(run.data.external_url.clone())),
        "pathPrefix" => {
            let url = &run.data.external_url;
            let path =
                url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
            Ok(Value::Text(path.unwrap_or_default()))
        }
        _ => Err(wrong(name, 0)),
    }
}

fn unary(run: &Run<'_>, name: &str, a: &Value) -> Result<Value, Error> {
    let text = |t: String| Ok(Value::Text(t));
    match (name, a) {
        ("not", a) => Ok(Value::Bool(!a.is_true())),
        ("len", Value::Text(s)) => Ok(Value::Int(s.len() as i64)),
        ("len", Value::List(l)) => Ok(Value::Int(l.len() as i64)),
        ("len", Value::Labels(m)) => Ok(Value::Int(m.len() as i64)),
        ("len", Value::Map(m)) => Ok(Value::Int(m.len() as i64)),
        ("len", a) => Err(Error::new(format!("len of type {}", a.type_name()))),
        ("query", Value::Text(query)) => match run.answers.get(query) {
            None => Err(Error::Needs(query.clone())),
            Some(Err(e)) => Err(Error::new(e.clone())),
            Some(Ok(found)) => Ok(Value::List(found.iter().cloned().map(Value::Found).collect())),
        },
        ("first", Value::List(list)) => {
            list.first().cloned().ok_or_else(|| Error::new("first() called on vector with no elements"))
        }
        ("value", Value::Found(found)) => Ok(Value::Float(found.value)),
        ("strvalue", Value::Found(found)) => text(found.labels.get("__value__").cloned().unwrap_or_default()),
        ("safeHtml" | "trimSpace", Value::Text(s)) => {
            text(if name == "safeHtml" { s.clone() } else { s.trim().to_owned() })
        }
        ("title", Value::Text(s)) => text(title(s)),
        ("toUpper", Value::Text(s)) => text(s.to_uppercase()),
        ("toLower", Value::Text(s)) => text(s.to_lowercase()),
        ("urlQueryEscape", Value::Text(s)) => text(escape("urlquery", s)),
        ("graphLink" | "tableLink", Value::Text(s)) => {
            let tab = if name == "graphLink" { 0 } else { 1 };
            text(format!("/graph?g0.expr={}&g0.tab={tab}", escape("urlquery", s)))
        }
        ("stripPort", Value::Text(s)) => text(strip_port(s).to_owned()),
        ("stripDomain", Value::Text(s)) => text(strip_domain(s)),
        ("parseDuration", Value::Text(s)) => match parse_duration(s) {
            Some(ms) => Ok(Value::Float(ms as f64 / 1000.0)),
            None => Err(Error::new(format!("not a valid duration string: {s:?}"))),
        },
        (_, a) => numeric(name, number(a)?),
    }
}

fn numeric(name: &str, v: f64) -> Result<Value, Error> {
    let text = |t: String| Ok(Value::Text(t));
    match name {
        "humanize" => text(humanize(v)),
        "humanize1024" => text(humanize_1024(v)),
        "humanizeDuration" => text(humanize_duration(v)),
        "humanizePercentage" => text(format!("{}%", general(v * 100.0, 4))),
        "humanizeTimestamp" if !v.is_finite() => text(general(v, 4)),
        "humanizeTimestamp" => text(time(millis(v)?)),
        "toTime" => Ok(Value::Time(millis(v)?)),
        "toDuration" => Ok(Value::Duration((millis(v)? as f64 * 1e6) as i64)),
        _ => Err(wrong(name, 1)),
    }
}

fn millis(seconds: f64) -> Result<i64, Error> {
    let ms = seconds * 1000.0;
    match ms.is_finite() && ms.abs() < 9e15 {
        true => Ok(ms.floor() as i64),
        false => Err(Error::new(format!("{seconds} cannot be represented as a time"))),
    }
}

fn number(value: &Value) -> Result<f64, Error> {
    match value {
        Value::Float(v) => Ok(*v),
        Value::Int(n) => Ok(*n as f64),
        Value::Duration(ns) => Ok(*ns as f64 / 1e9),
        Value::Text(s) => {
            let bad = || Error::new(format!("strconv.ParseFloat: parsing {s:?}: invalid syntax"));
            match s.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
                "inf" | "infinity" if s.starts_with('-') => Ok(f64::NEG_INFINITY),
                "inf" | "infinity" => Ok(f64::INFINITY),
                _ => s.parse().map_err(|_| bad()),
            }
        }
        other => Err(Error::new(format!("can't convert {} to float", other.type_name()))),
    }
}

fn binary(name: &str, a: &Value, b: &Value) -> Result<Value, Error> {
    match (name, a, b) {
        ("match", Value::Text(pattern), Value::Text(text)) => {
            Ok(Value::Bool(finder(pattern)?.is_match(text)))
        }
        ("label", Value::Text(label), Value::Found(found)) => {
            Ok(Value::Text(found.labels.get(label).cloned().unwrap_or_default()))
        }
        ("sortByLabel", Value::Text(label), Value::List(list)) => {
            let mut sorted = list.clone();
            let key = |v: &Value| match v {
                Value::Found(Found { labels, .. }) => labels.get(label).cloned().unwrap_or_default(),
                _ => String::new(),
            };
            sorted.sort_by_key(key);
            Ok(Value::List(sorted))
        }
        ("join", Value::Text(by), Value::List(list)) => {
            let words: Vec<String> = list.iter().map(Value::to_string).collect();
            Ok(Value::Text(words.join(by)))
        }
        _ => Err(wrong(name, 2)),
    }
}

fn finder(pattern: &str) -> Result<Finder, Error> {
    Finder::new(pattern).map_err(Error::Failed)
}

/// As `fmt.Sprint`: a blank between two of which none is a text.
fn print(args: &[Value]) -> String {
    let mut out = String::new();
    for (at, arg) in args.iter().enumerate() {
        let texts = |v: &Value| matches!(v, Value::Text(_));
        if at > 0 && !texts(arg) && !texts(&args[at - 1]) {
            out.push(' ');
        }
        out.push_str(&arg.to_string());
    }
    out
}

fn index(args: &[Value]) -> Result<Value, Error> {
    let [first, keys @ ..] = args else { return Err(Error::new("wants something to index")) };
    keys.iter().try_fold(first.clone(), |value, key| match (&value, key) {
        (Value::Labels(_) | Value::Map(_), Value::Text(name)) => value.field(name).map_err(Error::Failed),
        (Value::List(list), Value::Int(n)) => {
            let found = usize::try_from(*n).ok().and_then(|n| list.get(n));
            found.cloned().ok_or_else(|| Error::new(format!("index out of range: {n}")))
        }
        (Value::Text(s), Value::Int(n)) => {
            let found = usize::try_from(*n).ok().and_then(|n| s.as_bytes().get(n));
            found
                .map(|b| Value::Int(i64::from(*b)))
                .ok_or_else(|| Error::new(format!("index out of range: {n}")))
        }
        (value, key) => {
            Err(Error::new(format!("can't index item of type {} by {}", value.type_name(), key.type_name())))
        }
    })
}

fn slice(args: &[Value]) -> Result<Value, Error> {
    let [first, bounds @ ..] = args else { return Err(Error::new("wants something to slice")) };
    let len = match first {
        Value::Text(s) => s.len(),
        Value::List(l) => l.len(),
        other => return Err(Error::new(format!("can't slice item of type {}", other.type_name()))),
    };
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Int(n)) => {
            let found = usize::try_from(*n).ok().filter(|n| *n <= len);
            found.ok_or_else(|| Error::new(format!("index out of range: {n}")))
        }
        Some(other) => Err(Error::new(format!("cannot index slice with type {}", other.type_name()))),
    };
    let (from, to) = (bound(0, 0)?, bound(1, len)?);
    if from > to {
        return Err(Error::new(format!("invalid slice index: {from} > {to}")));
    }
    match first {
        Value::Text(s) => match s.get(from..to) {
            Some(part) => Ok(Value::Text(part.to_owned())),
            None => Err(Error::new("a slice may not cut a character")),
        },
        Value::List(l) => Ok(Value::List(l[from..to].to_vec())),
        _ => Ok(Value::Nil),
    }
}

fn title(s: &str) -> String {
    let mut inside = false;
    let upper = |c: char| c.to_uppercase().collect::<String>();
    s.chars()
        .map(|c| {
            let first = !inside;
            inside = c.is_alphanumeric() || c == '_' || c == '\'';
            if first { upper(c) } else { c.to_string() }
        })
        .collect()
}

fn escape(name: &str, text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match (name, c) {
            ("html", '<') => out.push_str("&lt;"),
            ("html", '>') => out.push_str("&gt;"),
            ("html", '&') => out.push_str("&amp;"),
            ("html", '"') => out.push_str("&#34;"),
            ("html", '\'') => out.push_str("&#39;"),
            ("js", '\\' | '\'' | '"') => out.extend(['\\', c]),
            ("js", '<' | '>' | '&' | '=') => out.push_str(&format!("\\u{:04X}", c as u32)),
            ("js", c) if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04X}", c as u32)),
            ("urlquery", ' ') => out.push('+'),
            ("urlquery", c) if !(c.is_ascii_alphanumeric() || "-_.~".contains(c)) => {
                let mut bytes = [0; 4];
                out.extend(c.encode_utf8(&mut bytes).bytes().map(|b| format!("%{b:02X}")));
            }
            (_, c) => out.push(c),
        }
    }
    out
}

fn strip_port(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once("]:").map_or(text, |(host, _)| host);
    }
    match text.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => text,
    }
}

fn strip_domain(text: &str) -> String {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => (host, Some(port)),
        _ => (text, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stripped = match bare.parse::<std::net::IpAddr>() {
        Ok(_) => host,
        Err(_) => host.split('.').next().unwrap_or(host),
    };
    port.map_or_else(|| stripped.to_owned(), |port| format!("{stripped}:{port}"))
}

/// The labels of an answer's series as a template sees them.
pub fn found(labels: &plimsoll_model::Labels, value: f64) -> Found {
    let labels: BTreeMap<String, String> = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Found { labels, value }
}
