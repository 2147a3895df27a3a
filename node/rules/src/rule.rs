//! Rules as they stand in a file, checked.

use std::collections::BTreeMap;

/// Labels or annotations as they are written, before their templates are carried out.
pub type Texts = BTreeMap<String, String>;

/// A group of rules, evaluated in order at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name, unique within its file.
    pub name: String,
    /// How often it is evaluated; as the cluster's setting says where it is not given.
    pub interval_ms: Option<i64>,
    /// How far in the past its queries look; as the cluster's setting says where it is not given.
    pub query_offset_ms: Option<i64>,
    /// Most series or alerts that a rule may give; 0 for no limit.
    pub limit: u64,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What becomes of the answer to `expr`.
    pub kind: Kind,
    /// PromQL, as it is written.
    pub expr: String,
    /// Labels to be set; those of an alert are templates.
    pub labels: Texts,
    /// Line in the file, from 1; 0 where it is not known.
    pub line: u64,
}

/// The two kinds of rules.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The answer is stored.
    Recording {
        /// Under this name.
        record: String,
    },
    /// Each series of the answer is an alert.
    Alerting(Alerting),
}

/// What an alerting rule says beside its expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerting {
    /// Its name.
    pub alert: String,
    /// How long an alert is pending before it fires.
    pub for_ms: i64,
    /// How long it goes on firing after its expression has ended.
    pub keep_firing_for_ms: i64,
    /// How long after its end it may not fire again. An addition to Prometheus' format.
    pub cooldown_ms: i64,
    /// Templates of texts for people.
    pub annotations: Texts,
}

impl Rule {
    /// The name of the alert, or of the series that are recorded.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Recording { record } => record,
            Kind::Alerting(alerting) => &alerting.alert,
        }
    }

    /// What an alerting rule says.
    pub fn alerting(&self) -> Option<&Alerting> {
        match &self.kind {
            Kind::Recording { .. } => None,
            Kind::Alerting(alerting) => Some(alerting),
        }
    }

    /// `alerting` or `recording`.
    pub fn kind_name(&self) -> &'static str {
        if self.alerting().is_some() { "alerting" } else { "recording" }
    }

    /// Whether two rules would give the same series: then what one knows may be told the other.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind_name() == other.kind_name() && self.name() == other.name() && self.labels == other.labels
    }
}
