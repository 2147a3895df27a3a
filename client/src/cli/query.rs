use super::output::{Cell, Column, Format, Listing, json_labels, json_value, warn};
use super::units::{moment, now, show_time, show_value};
use super::{Global, Outcome, exit::Exit, exit::Problem};
use crate::{Answer, Data, HistogramValue, RangeSeries, Value};
use plimsoll_model::{Labels, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll query up
  plimsoll query 'sum by (loop_type) (rate(llm_tokens_used_total[5m]))'
  plimsoll query --time now-1h 'active_loops' -o json
  plimsoll query 'topk(5, loop_errors_total)' -o csv > errors.csv";

/// More label columns than this do not fit beside each other.
const MOST_LABEL_COLUMNS: usize = 6;

/// Arguments of `query`.
#[derive(clap::Args, Clone, Debug)]
pub struct Query {
    /// A PromQL expression.
    #[arg(value_name = "EXPR")]
    expr: String,
    /// When: now-1h, 2026-01-31T12:00:00Z or Unix seconds.
    #[arg(long, short = 't', default_value = "now", allow_hyphen_values = true, value_name = "TIME")]
    time: String,
}

impl Query {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let time = match self.time.as_str() {
            // The node's clock decides what now is.
            "now" => None,
            text => Some(moment(text, now()).map_err(Problem::usage)?),
        };
        let answer = global.client()?.query(&self.expr, time).await?;
        warn("warning", &answer.warnings);
        warn("info", &answer.infos);
        if answer.data.is_empty() && matches!(global.output, Format::Table | Format::Wide) {
            eprintln!("no series: see what there is with `plimsoll labels __name__`");
            return Ok(Exit::Ok);
        }
        listing(&answer).print(global.output)?;
        Ok(Exit::Ok)
    }
}

/// The rows of an answer, one a value.
pub(super) fn listing(answer: &Answer) -> Listing {
    let (kind, mut l) = match &answer.data {
        Data::Scalar(at, v) => {
            let mut l = Listing::new("query/1", vec![Column::right("value"), time_column()]);
            l.push(vec![Cell::value(*v), time_cell(*at)], point(*at, json_value(*v)));
            ("scalar", l)
        }
        Data::String(at, s) => {
            let mut l = Listing::new("query/1", vec![Column::left("value"), time_column()]);
            l.push(vec![Cell::text(s), time_cell(*at)], point(*at, json!(s)));
            ("string", l)
        }
        Data::Vector(all) => {
            let labels = LabelColumns::of(all.iter().map(|s| &s.labels));
            let mut l = Listing::new("query/1", labels.columns());
            for s in all {
                let (cell, value) = match &s.value {
                    Value::Float(v) => (Cell::value(*v), json_value(*v)),
                    Value::Histogram(h) => (histogram_cell(h), histogram_json(h)),
                };
                let mut row = labels.cells(&s.labels);
                row.extend([cell, time_cell(s.timestamp)]);
                let mut item = point(s.timestamp, value);
                item["labels"] = json_labels(&s.labels);
                l.push(row, item);
            }
            ("vector", l)
        }
        Data::Matrix(all) => ("matrix", matrix(all)),
    };
    l.head.insert("result_type".into(), json!(kind));
    l.head.insert("warnings".into(), json!(answer.warnings));
    l
}

/// A row a point; in JSON an item a series.
fn matrix(all: &[RangeSeries]) -> Listing {
    let labels = LabelColumns::of(all.iter().map(|s| &s.labels));
    let mut columns = labels.columns();
    if let Some(time) = columns.last_mut() {
        time.wide = false;
    }
    let mut l = Listing::new("range/1", columns);
    for s in all {
        for (at, v) in &s.floats {
            let mut row = labels.cells(&s.labels);
            row.extend([Cell::value(*v), time_cell(*at)]);
            l.rows.push(row);
        }
        for (at, h) in &s.histograms {
            let mut row = labels.cells(&s.labels);
            row.extend([histogram_cell(h), time_cell(*at)]);
            l.rows.push(row);
        }
        let floats: Vec<_> = s.floats.iter().map(|(at, v)| json!([at, json_value(*v)])).collect();
        let mut item = json!({"labels": json_labels(&s.labels), "values": floats});
        if !s.histograms.is_empty() {
            let all = s.histograms.iter().map(|(at, h)| json!([at, histogram_json(h)]));
            item["histograms"] = all.collect();
        }
        l.items.push(item);
    }
    l
}

/// How labels are spread over columns: one a label where there are few, else the series as one text.
struct LabelColumns(Option<Vec<String>>);

impl LabelColumns {
    fn of<'a>(all: impl Iterator<Item = &'a Labels>) -> Self {
        let names: BTreeSet<&str> = all.flat_map(|l| l.iter().map(|(n, _)| n)).collect();
        let few = names.len() <= MOST_LABEL_COLUMNS;
        Self(few.then(|| names.into_iter().map(str::to_owned).collect()))
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns: Vec<_> = match &self.0 {
            Some(names) => names.iter().map(Column::left).collect(),
            None => vec![Column::left("series")],
        };
        columns.extend([Column::right("value"), time_column()]);
        columns
    }

    fn cells(&self, labels: &Labels) -> Vec<Cell> {
        match &self.0 {
            Some(names) => names.iter().map(|n| Cell::text(labels.get(n).unwrap_or(""))).collect(),
            None => vec![Cell::text(labels.to_string())],
        }
    }
}

fn time_column() -> Column {
    Column::left("time").wide()
}

fn time_cell(at: Timestamp) -> Cell {
    Cell::text(show_time(at))
}

fn point(at: Timestamp, value: serde_json::Value) -> serde_json::Value {
    json!({"timestamp_ms": at, "time": show_time(at), "value": value})
}

fn histogram_cell(h: &HistogramValue) -> Cell {
    let text = format!("histogram count={} sum={}", show_value(h.count), show_value(h.sum));
    Cell::text(text)
}

fn histogram_json(h: &HistogramValue) -> serde_json::Value {
    let bucket = |b: &crate::Bucket| json!({"lower": json_value(b.lower), "upper": json_value(b.upper), "count": json_value(b.count)});
    let buckets: Vec<_> = h.buckets.iter().map(bucket).collect();
    json!({"count": json_value(h.count), "sum": json_value(h.sum), "buckets": buckets})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InstantSeries;

    fn vector() -> Answer {
        let series = |kind: &str, v: f64| InstantSeries {
            labels: Labels::from_pairs([("loop_type", kind)]).expect("labels"),
            timestamp: 1_700_000_000_000,
            value: Value::Float(v),
        };
        Answer {
            data: Data::Vector(vec![series("plan", 0.123_456_789), series("act\x07", f64::NAN)]),
            warnings: Vec::new(),
            infos: Vec::new(),
        }
    }

    fn printed(answer: &Answer, format: Format) -> String {
        let mut out = Vec::new();
        listing(answer).write(&mut out, format, false).expect("memory takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_vector_has_a_column_a_label() {
        let expected = "LOOP_TYPE     VALUE\nplan       0.123457\nact\\x07         NaN\n";
        assert_eq!(printed(&vector(), Format::Table), expected);
        let expected = "loop_type,value,time\nplan,0.123456789,2023-11-14T22:13:20Z\nact\\x07,NaN,2023-11-14T22:13:20Z\n";
        assert_eq!(printed(&vector(), Format::Csv), expected);
    }

    #[test]
    fn json_of_a_vector_keeps_its_shape() {
        let lines = printed(&vector(), Format::Jsonl);
        let first = lines.lines().next().expect("a line");
        let expected = r#"{"labels":{"loop_type":"plan"},"time":"2023-11-14T22:13:20Z","timestamp_ms":1700000000000,"value":0.123456789}"#;
        assert_eq!(first, expected);
        assert!(lines.contains(r#""value":"NaN""#));
        let document: serde_json::Value =
            serde_json::from_str(&printed(&vector(), Format::Json)).expect("JSON");
        assert_eq!(
            (&document["schema"], &document["result_type"]),
            (&json!("plimsoll.query/1"), &json!("vector"))
        );
    }

    #[test]
    fn many_labels_become_one_column() {
        let pairs = (0..7).map(|i| (format!("l{i}"), "v".to_owned()));
        let labels = Labels::from_pairs(pairs).expect("labels");
        let series = InstantSeries { labels, timestamp: 0, value: Value::Float(1.0) };
        let answer = Answer { data: Data::Vector(vec![series]), warnings: vec![], infos: vec![] };
        assert!(printed(&answer, Format::Table).starts_with("SERIES"));
    }
}
