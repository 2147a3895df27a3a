//! Unit tests of rules, in the format of Prometheus' `promtool test rules`.
//! Format: <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/>.

mod run;
mod text;

pub use run::run;
pub use text::{TestFile, parse};
