//! An answer of `query` or `query_range`, in a form that can be compared.

use serde_json::Value;
use std::collections::BTreeMap;

/// Series, by their sorted labels, to their points: timestamp in ms to value.
#[derive(Debug, Default, PartialEq)]
pub struct Answer(BTreeMap<String, BTreeMap<i64, f64>>);

impl Answer {
    /// Reads a response of `query` or `query_range`; the text of an error where it is one.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let json: Value = serde_json::from_slice(body)
            .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&body[..body.len().min(200)])))?;
        if json["status"] != "success" {
            return Err(json["error"].to_string());
        }
        let result = &json["data"]["result"];
        let mut answer = Self::default();
        if json["data"]["resultType"] == "scalar" {
            answer.0.insert("scalar".to_owned(), [point(result)].into());
            return Ok(answer);
        }
        for series in result.as_array().into_iter().flatten() {
            let points = match series["values"].as_array() {
                Some(points) => points.iter().map(point).collect(),
                None => [point(&series["value"])].into(),
            };
            answer.0.insert(name(&series["metric"]), points);
        }
        Ok(answer)
    }

    /// How many series and points it has.
    pub fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(BTreeMap::len).sum())
    }

    /// The first difference to `other`, values being equal within a relative `tolerance`.
    pub fn difference(&self, other: &Self, tolerance: f64) -> Option<String> {
        let only = |a: &Self, b: &Self| a.0.keys().find(|series| !b.0.contains_key(*series)).cloned();
        if let Some(series) = only(self, other) {
            return Some(format!(
                "{series} is only here ({} series against {})",
                self.0.len(),
                other.0.len()
            ));
        }
        if let Some(series) = only(other, self) {
            return Some(format!(
                "{series} is only there ({} series against {})",
                self.0.len(),
                other.0.len()
            ));
        }
        for (series, points) in &self.0 {
            let others = &other.0[series];
            if points.len() != others.len() || !points.keys().eq(others.keys()) {
                return Some(format!(
                    "{series} has {} points against {}, or others",
                    points.len(),
                    others.len()
                ));
            }
            for ((at, value), wanted) in points.iter().zip(others.values()) {
                if !same(*value, *wanted, tolerance) {
                    return Some(format!("{series} at {at}: {value} against {wanted}"));
                }
            }
        }
        None
    }
}

fn same(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

/// The labels as text, sorted whatever order they came in.
fn name(labels: &Value) -> String {
    let sorted: BTreeMap<&String, &Value> = labels.as_object().into_iter().flatten().collect();
    let pairs: Vec<String> = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(","))
}

fn point(pair: &Value) -> (i64, f64) {
    let at = (pair[0].as_f64().unwrap_or(0.0) * 1e3).round() as i64;
    let value = match pair[1].as_str().unwrap_or_default() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap_or(f64::NAN),
    };
    (at, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &str) -> Answer {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"a":"b"}},"value":[1.5,"{value}"]}}]}}}}"#
        );
        Answer::read(body.as_bytes()).expect("a good answer")
    }

    #[test]
    fn values_within_the_tolerance_are_the_same_answer() {
        assert_eq!(answer("1").difference(&answer("1.0000000001"), 1e-9), None);
        assert_eq!(answer("NaN").difference(&answer("NaN"), 0.0), None);
        assert_eq!(answer("+Inf").difference(&answer("+Inf"), 0.0), None);
        assert!(
            answer("1")
                .difference(&answer("1.1"), 1e-9)
                .is_some_and(|d| d.contains("at 1500: 1 against 1.1"))
        );
        assert!(answer("1").difference(&Answer::default(), 1e-9).is_some());
        assert!(Answer::default().difference(&answer("1"), 1e-9).is_some());
    }
}
