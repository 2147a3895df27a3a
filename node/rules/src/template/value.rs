use super::{Found, humanize};
use std::collections::BTreeMap;
use std::fmt;

/// What a template works with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// Labels: what is not there is empty.
    Labels(BTreeMap<String, String>),
    /// Fields that must be there.
    Object(BTreeMap<String, Value>),
    /// What `args` makes.
    Map(BTreeMap<String, Value>),
    /// A list.
    List(Vec<Value>),
    /// A series of an answer to a query.
    Found(Found),
    /// Milliseconds since 1970.
    Time(i64),
    /// A length of time in nanoseconds.
    Duration(i64),
}

impl Value {
    /// Whether `if` takes it for true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n) | Self::Duration(n) => *n != 0,
            Self::Float(v) => *v != 0.0,
            Self::Text(s) => !s.is_empty(),
            Self::Labels(m) => !m.is_empty(),
            Self::Map(m) => !m.is_empty(),
            Self::List(l) => !l.is_empty(),
            Self::Object(_) | Self::Found(_) | Self::Time(_) => true,
        }
    }

    /// The name of its type in Go.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Labels(_) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Object(_) => "struct",
            Self::List(_) => "[]interface {}",
            Self::Found(_) => "*template.sample",
            Self::Time(_) => "*time.Time",
            Self::Duration(_) => "*time.Duration",
        }
    }

    /// The field or entry `name`; the error is what Go says.
    pub(super) fn field(&self, name: &str) -> Result<Self, String> {
        let unknown = || format!("can't evaluate field {name} in type {}", self.type_name());
        match self {
            Self::Labels(m) => Ok(Self::Text(m.get(name).cloned().unwrap_or_default())),
            Self::Map(m) => Ok(m.get(name).cloned().unwrap_or(Self::Nil)),
            Self::Object(m) => m.get(name).cloned().ok_or_else(unknown),
            Self::Found(f) if name == "Labels" => Ok(Self::Labels(f.labels.clone())),
            Self::Found(f) if name == "Value" => Ok(Self::Float(f.value)),
            // alerts of a message, by their state
            Self::List(l) if name == "Firing" || name == "Resolved" => {
                let wanted = Self::Text(name.to_lowercase());
                let fits = |v: &&Self| matches!(v, Self::Object(m) if m.get("Status") == Some(&wanted));
                Ok(Self::List(l.iter().filter(fits).cloned().collect()))
            }
            Self::Nil => Err(format!("nil data; no entry for key \"{name}\"")),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Value {
    /// As Go's `fmt.Print` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn entries<'a, V: fmt::Display + 'a>(
            f: &mut fmt::Formatter<'_>,
            all: impl Iterator<Item = (&'a String, V)>,
        ) -> fmt::Result {
            f.write_str("map[")?;
            for (at, (name, value)) in all.enumerate() {
                write!(f, "{}{name}:{value}", if at > 0 { " " } else { "" })?;
            }
            f.write_str("]")
        }
        match self {
            Self::Nil => f.write_str("<no value>"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(v) => f.write_str(&humanize::plain(*v)),
            Self::Text(s) => f.write_str(s),
            Self::Labels(m) => entries(f, m.iter()),
            Self::Map(m) | Self::Object(m) => entries(f, m.iter()),
            Self::List(l) => {
                f.write_str("[")?;
                for (at, value) in l.iter().enumerate() {
                    write!(f, "{}{value}", if at > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Found(found) => {
                f.write_str("{")?;
                entries(f, found.labels.iter())?;
                write!(f, " {}}}", humanize::plain(found.value))
            }
            Self::Time(ms) => f.write_str(&humanize::time(*ms)),
            Self::Duration(ns) => f.write_str(&humanize::go_duration(*ns)),
        }
    }
}
