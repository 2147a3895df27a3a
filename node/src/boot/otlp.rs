//! The settings of OTLP in the words of its decoder.

use plimsoll_cluster_config::{Otlp, OtlpNames};
use plimsoll_proto::ingest::{Naming, OtlpOptions};

pub(super) fn options(settings: &Otlp) -> OtlpOptions {
    OtlpOptions {
        naming: match settings.names {
            OtlpNames::Prometheus => Naming::Prometheus,
            OtlpNames::Underscores => Naming::Underscores,
            OtlpNames::Suffixes => Naming::Suffixes,
            OtlpNames::Untouched => Naming::Untouched,
        },
        promote: settings.promote.clone(),
        scope_labels: settings.scope_labels,
        target_info: settings.target_info,
        delta: settings.delta,
    }
}
