use super::output::{Cell, Column, Format, Listing, say};
use super::units::show_count;
use super::{Global, Outcome, exit::Exit};
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll cardinality
  plimsoll cardinality '{job=\"api\"}' --limit 20
  plimsoll cardinality -o csv > cardinality.csv";

/// Arguments of `cardinality`.
#[derive(clap::Args, Clone, Debug)]
pub struct Cardinality {
    /// Only series of these selectors.
    #[arg(value_name = "SELECTOR")]
    matchers: Vec<String>,
    /// How many of each kind.
    #[arg(long, default_value_t = 10, value_name = "N")]
    limit: u64,
}

impl Cardinality {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let found = global.client()?.cardinality(&self.matchers, self.limit).await?;
        if matches!(global.output, Format::Table | Format::Wide) {
            say(&format!("{} series\n", show_count(found.series)))?;
        }
        listing(&found).print(global.output)?;
        Ok(Exit::Ok)
    }
}

fn listing(found: &crate::Cardinality) -> Listing {
    let columns = vec![
        Column::left("kind"),
        Column::left("name"),
        Column::left("value"),
        Column::right("series"),
        Column::right("share"),
        Column::right("values"),
    ];
    let mut l = Listing::new("cardinality/1", columns);
    l.head.insert("series".into(), json!(found.series));
    let share = |n: u64| {
        let part = n as f64 / found.series.max(1) as f64;
        Cell::shown(part, format!("{:.1}%", part * 100.0))
    };
    let none = || Cell::text("");
    for m in &found.metrics {
        let row = vec![
            Cell::text("metric"),
            Cell::text(&m.name),
            none(),
            Cell::count(m.series),
            share(m.series),
            none(),
        ];
        l.push(row, json!({"kind": "metric", "name": m.name, "series": m.series}));
    }
    for b in &found.labels {
        let row = vec![
            Cell::text("label"),
            Cell::text(&b.name),
            none(),
            if b.series > 0 { Cell::count(b.series) } else { none() },
            if b.series > 0 { share(b.series) } else { none() },
            Cell::count(b.values),
        ];
        l.push(row, json!({"kind": "label", "name": b.name, "series": b.series, "values": b.values}));
    }
    for p in &found.pairs {
        let row = vec![
            Cell::text("pair"),
            Cell::text(&p.name),
            Cell::text(&p.value),
            Cell::count(p.series),
            share(p.series),
            none(),
        ];
        l.push(row, json!({"kind": "pair", "name": p.name, "value": p.value, "series": p.series}));
    }
    l
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_are_one_list() {
        let json = r#"{"series":1200,"metrics":[{"name":"up","series":600}],
            "labels":[{"name":"pod","values":40,"series":1200}],"pairs":[{"name":"job","value":"a,b","series":3}]}"#;
        let found: crate::Cardinality = serde_json::from_str(json).expect("cardinality");
        let printed = |format| {
            let mut out = Vec::new();
            listing(&found).write(&mut out, format, false).expect("memory takes all");
            String::from_utf8(out).expect("text")
        };
        let table = "\
KIND    NAME  VALUE  SERIES   SHARE  VALUES
metric  up              600   50.0%
label   pod           1,200  100.0%      40
pair    job   a,b         3    0.2%
";
        assert_eq!(printed(Format::Table), table);
        assert_eq!(printed(Format::Csv).lines().last(), Some("pair,job,\"a,b\",3,0.0025,"));
    }
}
