//! What a line of a body means: the labels of its series, after those of the target and relabelling.

use crate::relabel::relabel;
use crate::{Failure, LabelSet, Meta};
use plimsoll_model::{Labels, METRIC_NAME};
use plimsoll_proto::ingest::{Limits, RawLabels, Refusal};
use std::sync::Arc;

/// What is done with what a target sends.
#[derive(Clone)]
pub struct Rules<'a> {
    /// Labels of the target.
    pub target: &'a Labels,
    /// Its job.
    pub job: &'a crate::Job,
    /// Caps of the node.
    pub limits: &'a Limits,
    /// Secret of the hash of lines.
    pub seed: u64,
    /// Told of each metric that a target describes anew; targets that say the same share what it answers.
    pub intern: &'a (dyn Fn(Meta) -> Arc<Meta> + Sync),
}

impl Rules<'_> {
    /// The labels that a line comes to; nothing where relabelling drops it.
    pub(crate) fn labels(&self, raw: &dyn RawLabels) -> Result<Result<Option<Labels>, Failure>, Refusal> {
        let mut exposed: Vec<(String, String)> = Vec::new();
        let mut bad = None;
        raw.visit(&mut |name, value| match (std::str::from_utf8(name), std::str::from_utf8(value)) {
            (Ok(name), Ok(value)) => exposed.push((name.to_owned(), value.to_owned())),
            _ => bad = Some(Refusal::NotUtf8),
        })?;
        if let Some(refusal) = bad {
            return Err(refusal);
        }
        let mut labels: LabelSet = exposed.iter().map(|(name, value)| (name, value.as_str())).collect();
        if exposed.iter().filter(|(_, value)| !value.is_empty()).count() != labels.len() {
            return Err(Refusal::DuplicateLabel);
        }
        if self.job.honor_labels {
            for (name, value) in self.target.iter() {
                // an empty value of the target's own takes the job's label away
                if !exposed.iter().any(|(known, _)| known == name) {
                    labels.set(name, value);
                }
            }
        } else {
            add_target_labels(&mut labels, self.target);
        }
        if !relabel(&self.job.metric_relabel, &mut labels) {
            return Ok(Ok(None));
        }
        Ok(self.check(&labels).map(Some))
    }

    fn check(&self, set: &LabelSet) -> Result<Labels, Failure> {
        let labels = set.to_labels().map_err(|e| Failure::Labels(e.to_string()))?;
        let limits = &self.job.limits;
        let over = |what: &str, name: &str, size: usize, limit: Option<u64>, cap: usize| {
            let limit = limit.map_or(cap, |own| own.min(cap as u64) as usize);
            (size > limit).then(|| {
                let told: String = labels.to_string().chars().take(200).collect();
                Failure::Labels(format!(
                    "{what} exceeded (series: {told}, label: {name:?}, {size} > {limit})"
                ))
            })
        };
        if labels.metric_name().is_none() {
            return Err(Failure::Labels(format!(
                "a series has no name after metric_relabel_configs: {labels}"
            )));
        }
        if let Some(failure) =
            over("label_limit", "", labels.len(), limits.labels, self.limits.labels_per_series)
        {
            return Err(failure);
        }
        for (name, value) in labels.iter() {
            let (most_name, most_value) = (self.limits.label_name_bytes, self.limits.label_value_bytes);
            let failure =
                over("label_name_length_limit", name, name.len(), limits.label_name_bytes, most_name)
                    .or_else(|| {
                        over(
                            "label_value_length_limit",
                            name,
                            value.len(),
                            limits.label_value_bytes,
                            most_value,
                        )
                    });
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
        Ok(labels)
    }
}

/// The job's labels win; what the target had under the same name is kept as `exported_NAME`.
fn add_target_labels(labels: &mut LabelSet, target: &Labels) {
    let mut pushed_aside: Vec<(&str, String)> = Vec::new();
    for (name, value) in target.iter().filter(|(name, _)| *name != METRIC_NAME) {
        let before = labels.get(name).to_owned();
        if !before.is_empty() {
            pushed_aside.push((name, before));
        }
        labels.set(name, value);
    }
    pushed_aside.sort_by_key(|(name, _)| name.len());
    for (name, value) in pushed_aside {
        let mut exported = format!("exported_{name}");
        while labels.has(&exported) {
            exported.insert_str(0, "exported_");
        }
        labels.set(&exported, value);
    }
}
