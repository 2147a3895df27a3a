//! What is wrong with a document, and what to do about it.

use super::written::File;
use serde_saphyr::Error;
use std::fmt;

/// Keys of a job that Prometheus knows and that are not for this program, with what to do instead.
const FOREIGN: &[(&str, &str)] = &[
    ("proxy_url", "let the target be reached directly"),
    ("proxy_connect_header", "let the target be reached directly"),
    ("oauth2", "use authorization with credentials_file"),
    ("sigv4", "use authorization with credentials_file"),
    ("convert_classic_histograms_to_nhcb", "classic histograms are kept as they are"),
    ("native_histogram_bucket_limit", "set sample_limit or drop series with metric_relabel_configs"),
    ("native_histogram_min_bucket_factor", "set sample_limit or drop series with metric_relabel_configs"),
    ("scrape_failure_log_file", "`plimsoll targets` shows the last error of each target"),
    ("username_ref", "use username_file"),
    ("password_ref", "use password_file"),
    ("credentials_ref", "use credentials_file"),
    ("ca_ref", "use ca_file"),
    ("cert_ref", "use cert_file"),
    ("key_ref", "use key_file"),
    ("files", "use values or secrets"),
];

/// Kinds of discovery that Prometheus has beside files and HTTP.
const DISCOVERIES: &[&str] = &[
    "aws",
    "azure",
    "consul",
    "digitalocean",
    "dns",
    "docker",
    "dockerswarm",
    "ec2",
    "eureka",
    "gce",
    "hetzner",
    "ionos",
    "kubernetes",
    "kuma",
    "lightsail",
    "linode",
    "marathon",
    "nerve",
    "nomad",
    "openstack",
    "ovhcloud",
    "puppetdb",
    "scaleway",
    "serverset",
    "stackit",
    "triton",
    "uyuni",
    "vultr",
];

/// Something that keeps a document from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a line and a column, or a path such as `scrape_configs[0].scheme`; empty for the whole.
    pub place: String,
    /// What, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.text)
        } else {
            write!(f, "{}: {}", self.place, self.text)
        }
    }
}

/// Something in a document that has no effect here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub String);

impl Problem {
    /// About the document as a whole.
    pub(crate) fn whole(text: String) -> Self {
        Self { place: String::new(), text }
    }

    /// What the reader of YAML says, with the known key that was most likely meant.
    pub(crate) fn of_form(e: &Error) -> Self {
        let place = e.location().filter(|at| at.line() > 0);
        let place = place.map(|at| format!("line {}, column {}", at.line(), at.column())).unwrap_or_default();
        let text = match e.without_snippet() {
            Error::SerdeUnknownField { field, expected, .. } => unknown(field, expected),
            e => {
                let text = e.to_string();
                // the place is told in front
                text.split(" at line ").next().unwrap_or(&text).to_owned()
            }
        };
        Self { place, text }
    }
}

fn unknown(field: &str, expected: &[&str]) -> String {
    if let Some((_, instead)) = FOREIGN.iter().find(|(known, _)| *known == field) {
        return format!("`{field}` is a key of Prometheus that Plimsoll does not support: {instead}");
    }
    if field.strip_suffix("_sd_configs").is_some_and(|kind| DISCOVERIES.contains(&kind)) {
        return format!(
            "`{field}` is a key of Prometheus that Plimsoll does not support: use file_sd_configs or \
             http_sd_configs with a program that writes the targets"
        );
    }
    let near = expected.iter().map(|known| (distance(field, known), *known)).min();
    match near.filter(|(far, _)| *far <= 1 + field.len() / 4) {
        Some((_, known)) => format!("`{field}` is no known key; did you mean `{known}`?"),
        None => format!("`{field}` is no known key here; known are {}", expected.join(", ")),
    }
}

/// Levenshtein's distance, by one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let swapped = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = swapped.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

/// What the document has that means nothing here.
pub(super) fn warnings(file: &File) -> Vec<Warning> {
    let mut out = Vec::new();
    let mut say = |there: bool, key: &str, instead: &str| {
        if there {
            out.push(Warning(format!("`{key}` is passed over: {instead}")));
        }
    };
    say(file.rule_files.is_some(), "rule_files", "rules are kept apart from scraping");
    say(file.alerting.is_some(), "alerting", "where alerts go is kept apart from scraping");
    say(file.remote_write.is_some(), "remote_write", "Plimsoll keeps the samples itself");
    say(file.remote_read.is_some(), "remote_read", "Plimsoll keeps the samples itself");
    say(file.storage.is_some(), "storage", "set `[storage]` in the node's settings");
    say(file.tracing.is_some(), "tracing", "there is none");
    say(file.otlp.is_some(), "otlp", "it is not about scraping");
    say(file.runtime.is_some(), "runtime", "it is about Prometheus' own process");
    let labelled =
        file.global.as_ref().and_then(|g| g.external_labels.as_ref()).is_some_and(|l| !l.is_empty());
    say(
        labelled,
        "global.external_labels",
        "they are for systems that Prometheus sends to, which Plimsoll is",
    );
    out
}

/// Collects problems, each under the path of what it is about.
#[derive(Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
}

/// Problems of one part of the document.
pub(super) struct Part<'a> {
    all: &'a mut Problems,
    path: String,
}

impl Problems {
    pub fn add(&mut self, place: &str, text: impl Into<String>) {
        self.list.push(Problem { place: place.to_owned(), text: text.into() });
    }

    pub fn within(&mut self, path: &str) -> Part<'_> {
        Part { all: self, path: path.to_owned() }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn into_list(self) -> Vec<Problem> {
        self.list
    }
}

impl Part<'_> {
    pub fn add(&mut self, key: &str, text: impl Into<String>) {
        let place = if key.is_empty() { self.path.clone() } else { format!("{}.{key}", self.path) };
        self.all.add(&place, text);
    }

    pub fn within(&mut self, key: &str) -> Part<'_> {
        Part { path: format!("{}.{key}", self.path), all: self.all }
    }
}
