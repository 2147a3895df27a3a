//! The script language: commands of a file, line by line.

use plimsoll_promql::{Described, SeriesDescription, parse_duration, parse_series};
use regex_automata::meta::Regex;

/// A command and where it stands.
pub struct Command {
    pub line: usize,
    pub kind: Kind,
}

pub enum Kind {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
    /// A command that could not be read.
    Broken(String),
}

/// Series to be stored.
#[derive(Default)]
pub struct Load {
    pub step_ms: i64,
    /// Whether classic buckets are stored as native histograms too.
    pub with_custom_buckets: bool,
    pub series: Vec<(SeriesDescription, Option<Vec<Option<i64>>>)>,
}

/// How a message is to look.
pub enum Expected {
    Any,
    Text(String),
    Pattern(Regex),
}

impl Expected {
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(wanted) => wanted == text,
            Self::Pattern(regex) => regex.is_match(text),
        }
    }
}

/// A query and what it should answer.
#[derive(Default)]
pub struct Eval {
    pub query: String,
    pub instant: bool,
    pub start: i64,
    pub end: i64,
    pub step: i64,
    /// When the expected samples are, for a range vector.
    pub range: Option<(i64, i64, i64)>,
    pub ordered: bool,
    pub fail: Option<Expected>,
    pub warns: Vec<Expected>,
    pub infos: Vec<Expected>,
    pub no_warn: bool,
    pub no_info: bool,
    pub text: Option<String>,
    pub scalar: Option<f64>,
    pub series: Vec<SeriesDescription>,
}

/// All commands of a script.
pub fn parse(text: &str) -> Vec<Command> {
    let lines: Vec<&str> = text
        .lines()
        .map(|l| {
            let l = l.trim();
            if l.starts_with('#') { "" } else { l }
        })
        .collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = at + 1;
        let first = lines[at].split_whitespace().next().unwrap_or("").to_lowercase();
        let block = lines[at..].iter().take_while(|l| !l.is_empty()).count();
        let kind = if first.is_empty() {
            at += 1;
            continue;
        } else if first == "clear" {
            at += 1;
            Ok(Kind::Clear)
        } else if first.starts_with("load") {
            let kind = load(&lines[at..at + block]).map(Kind::Load);
            at += block;
            kind
        } else if first.starts_with("eval") {
            let (kind, used) = eval(&lines[at..at + block]);
            at += used;
            kind.map(|e| Kind::Eval(Box::new(e)))
        } else {
            at += 1;
            Err(format!("invalid command {first:?}"))
        };
        out.push(Command { line, kind: kind.unwrap_or_else(Kind::Broken) });
    }
    out
}

fn duration(text: &str) -> Result<i64, String> {
    parse_duration(text).ok_or_else(|| format!("not a duration: {text:?}"))
}

fn signed_duration(text: &str) -> Result<i64, String> {
    match text.strip_prefix('-') {
        Some(rest) => duration(rest).map(|ms| -ms),
        None => duration(text.strip_prefix('+').unwrap_or(text)),
    }
}

fn load(lines: &[&str]) -> Result<Load, String> {
    let mut words = lines[0].split_whitespace();
    let with_custom_buckets = match words.next() {
        Some("load") => false,
        Some("load_with_nhcb") => true,
        other => return Err(format!("invalid load command {other:?}")),
    };
    let step_ms = duration(words.next().unwrap_or(""))?;
    let mut out = Load { step_ms, with_custom_buckets, series: Vec::new() };
    let mut starts: Option<Vec<Option<i64>>> = None;
    for line in &lines[1..] {
        let (metric, values) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if metric.ends_with("@st") {
            starts = Some(start_times(values)?);
            continue;
        }
        let series = parse_series(line).map_err(|e| format!("{line}: {e}"))?;
        out.series.push((series, starts.take()));
    }
    Ok(out)
}

/// Start timestamps relative to the samples: `_`, `_xN`, `dur`, `durxN`, `dur+durxN`.
fn start_times(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut out = Vec::new();
    for item in text.split_whitespace() {
        let bad = || format!("invalid start timestamps {item:?}");
        let (what, times) = match item.split_once('x') {
            Some((what, n)) => (what, Some(n.parse::<usize>().map_err(|_| bad())?)),
            None => (item, None),
        };
        if what == "_" {
            out.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        let cut = what[1..].find(['+', '-']).map(|i| i + 1);
        let (base, step) = match cut {
            Some(at) => (signed_duration(&what[..at])?, signed_duration(&what[at..])?),
            None => (signed_duration(what)?, 0),
        };
        for i in 0..=times.unwrap_or(0) as i64 {
            out.push(Some(base + i * step));
        }
    }
    Ok(out)
}

/// An `eval` and how many lines it took.
fn eval(lines: &[&str]) -> (Result<Eval, String>, usize) {
    let mut out = match head(lines[0]) {
        Ok(out) => out,
        Err(e) => return (Err(e), lines.len()),
    };
    for (i, line) in lines.iter().enumerate().skip(1) {
        match expectation(&mut out, line) {
            Ok(true) => {}
            Ok(false) => return (Ok(out), i + 1),
            Err(e) => return (Err(e), lines.len()),
        }
    }
    (Ok(out), lines.len())
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn head(line: &str) -> Result<Eval, String> {
    let (command, rest) = word(line);
    let (kind, rest) = word(rest);
    let mut out = Eval { instant: kind == "instant", ..Eval::default() };
    match command.strip_prefix("eval").unwrap_or("") {
        "" => {}
        "_fail" => out.fail = Some(Expected::Any),
        "_warn" => out.warns.push(Expected::Any),
        "_info" => out.infos.push(Expected::Any),
        "_ordered" => out.ordered = true,
        other => return Err(format!("invalid evaluation command eval{other}")),
    }
    let mut rest = rest;
    let mut take = |name: &str| -> Result<i64, String> {
        let (key, after) = word(rest);
        if key != name {
            return Err(format!("expected {name:?} in {line:?}"));
        }
        let (value, after) = word(after);
        rest = after;
        duration(value)
    };
    if out.instant {
        if word(rest).0 == "at" {
            let (_, after) = word(rest);
            let (value, after) = word(after);
            out.start = duration(value)?;
            rest = after;
        }
        out.end = out.start;
    } else if kind == "range" {
        out.start = take("from")?;
        out.end = take("to")?;
        out.step = take("step")?;
    } else {
        return Err(format!("invalid evaluation command {line:?}"));
    }
    out.query = rest.to_owned();
    Ok(out)
}

/// Reads a line under an `eval`; false when it is the last one.
fn expectation(out: &mut Eval, line: &str) -> Result<bool, String> {
    if out.fail.is_some() {
        if let Some(text) = line.strip_prefix("expected_fail_message") {
            out.fail = Some(Expected::Text(text.trim().to_owned()));
            return Ok(false);
        }
        if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            out.fail = Some(Expected::Pattern(regex(pattern.trim())?));
            return Ok(false);
        }
    }
    if let Some(rest) = line.strip_prefix("expect range vector") {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let ["from", from, "to", to, "step", step] = words.as_slice() else {
            return Err(format!("invalid range vector definition {line:?}"));
        };
        out.range = Some((duration(from)?, duration(to)?, duration(step)?));
        return Ok(true);
    }
    if let Some(rest) = line.strip_prefix("expect string") {
        out.text = Some(unquoted(rest.trim())?);
        return Ok(true);
    }
    if let Some(rest) = line.strip_prefix("expect ") {
        expect(out, rest)?;
        return Ok(true);
    }
    if let Some(v) = number(line) {
        out.scalar = Some(v);
        return Ok(false);
    }
    let series = parse_series(line).map_err(|e| format!("{line}: {e}"))?;
    out.series.push(series);
    Ok(true)
}

fn number(text: &str) -> Option<f64> {
    match text {
        "Inf" | "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// The text in a literal: the expression language reads it.
fn unquoted(literal: &str) -> Result<String, String> {
    let expr = plimsoll_promql::parse(literal, plimsoll_promql::ParseOptions::default())
        .map_err(|e| e.to_string())?;
    match expr.kind {
        plimsoll_promql::ast::Kind::Text { value, .. } => Ok(value),
        _ => Err(format!("not a string: {literal}")),
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|e| format!("invalid regex {pattern:?}: {e}"))
}

fn expect(out: &mut Eval, rest: &str) -> Result<(), String> {
    let (mode, rest) = word(rest);
    let expected = if let Some(text) = rest.strip_prefix("msg:") {
        Expected::Text(text.trim().to_owned())
    } else if let Some(pattern) = rest.strip_prefix("regex:") {
        Expected::Pattern(regex(pattern.trim())?)
    } else if rest.is_empty() {
        Expected::Any
    } else {
        return Err(format!("invalid expect statement {rest:?}"));
    };
    match mode {
        "fail" => out.fail = Some(expected),
        "ordered" => out.ordered = true,
        "warn" => out.warns.push(expected),
        "info" => out.infos.push(expected),
        "no_warn" => out.no_warn = true,
        "no_info" => out.no_info = true,
        other => return Err(format!("invalid expectation {other:?}")),
    }
    Ok(())
}

/// Whether a described value is a sample.
pub fn is_sample(v: &Described) -> bool {
    !matches!(v, Described::Omitted)
}
