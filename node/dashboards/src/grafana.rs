//! Grafana's dashboards (the JSON model of its schema 16 to 40, as its export writes it).
//!
//! Panels that can be shown become panels. The others stay as panels that say why they are not shown, and each of
//! them, and each part of a panel that is lost, is in [`Imported::left_out`].

use crate::check::{Error, id_of};
use crate::dashboard::{COLUMNS, Dashboard, Kind, Level, Panel, Place, Query, Threshold, Variable};
use serde::Serialize;
use serde_json::Value;

/// What an import made.
#[derive(Debug)]
pub struct Imported {
    /// The dashboard; not checked yet.
    pub dashboard: Dashboard,
    /// What is not as it was.
    pub left_out: Vec<LeftOut>,
}

/// Something that an import could not bring over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The panel's title; of a variable or the whole, what it is.
    pub panel: String,
    /// Why.
    pub reason: String,
}

/// Whether `json` is one of Grafana's, and not one of ours.
pub fn is_grafana(json: &Value) -> bool {
    let inner = json.get("dashboard").unwrap_or(json);
    inner.get("schemaVersion").is_some()
        || inner.get("templating").is_some()
        || inner["panels"]
            .as_array()
            .is_some_and(|all| all.iter().any(|p| p.get("gridPos").is_some() || p.get("type").is_some()))
        || inner.get("rows").is_some()
}

/// Reads one. The JSON of its HTTP API, which wraps it in `dashboard`, is taken as well.
pub fn import(json: &Value) -> Result<Imported, Error> {
    let json = json.get("dashboard").unwrap_or(json);
    let title = json["title"].as_str().unwrap_or("").to_owned();
    if title.is_empty() {
        return Err(Error::Form("Grafana's JSON should have a `title`".to_owned()));
    }
    if json.get("rows").is_some() {
        return Err(Error::Form(
            "this is the form of Grafana 4, with `rows`: open it in a newer Grafana and export it again"
                .to_owned(),
        ));
    }
    let mut import = Import { left_out: Vec::new() };
    let variables = import.variables(&json["templating"]["list"]);
    let panels = import.panels(&json["panels"]);
    let from = json["time"]["from"].as_str().filter(|f| is_plain_span(f)).map(str::to_owned);
    let dashboard = Dashboard {
        id: id_of(&title),
        title,
        description: json["description"].as_str().unwrap_or("").to_owned(),
        tags: texts(&json["tags"]),
        live: false,
        from,
        refresh_seconds: json["refresh"].as_str().and_then(seconds),
        variables,
        panels,
        built_in: false,
    };
    Ok(Imported { dashboard, left_out: import.left_out })
}

struct Import {
    left_out: Vec<LeftOut>,
}

impl Import {
    fn leave(&mut self, panel: &str, reason: impl Into<String>) {
        self.left_out.push(LeftOut { panel: panel.to_owned(), reason: reason.into() });
    }

    fn panels(&mut self, list: &Value) -> Vec<Panel> {
        let mut panels = Vec::new();
        let mut below = 0;
        for (number, json) in list.as_array().into_iter().flatten().enumerate() {
            let panel = self.panel(json, number + 1, below);
            below = below.max(panel.at.y + panel.at.h);
            panels.push(panel);
            // the panels of a row that was folded are inside of it
            for (number, json) in json["panels"].as_array().into_iter().flatten().enumerate() {
                let panel = self.panel(json, number + 1, below);
                below = below.max(panel.at.y + panel.at.h);
                panels.push(panel);
            }
        }
        unstack(&mut panels);
        panels
    }

    fn panel(&mut self, json: &Value, number: usize, below: u16) -> Panel {
        let kind_name = json["type"].as_str().unwrap_or("");
        let title = match json["title"].as_str() {
            Some(title) if !title.is_empty() => title.to_owned(),
            _ if kind_name == "text" => String::new(),
            _ => format!("panel {number}"),
        };
        let at = place(&json["gridPos"], below);
        let (kind, lost) = match kind_of(kind_name, json) {
            Ok(found) => found,
            Err(reason) => {
                self.leave(&title, &reason);
                let mut panel = Panel::new(title, Kind::Unsupported, at);
                panel.text = Some(reason);
                return panel;
            }
        };
        let mut panel = Panel::new(title.clone(), kind, at);
        panel.description = json["description"].as_str().filter(|d| !d.is_empty()).map(str::to_owned);
        if kind == Kind::Text {
            panel.text = Some(
                json["options"]["content"].as_str().or(json["content"].as_str()).unwrap_or("").to_owned(),
            );
        }
        if kind.is_asked() {
            match self.queries(json, &title) {
                Ok(queries) => panel.queries = queries,
                Err(reason) => {
                    self.leave(&title, &reason);
                    (panel.kind, panel.text) = (Kind::Unsupported, Some(reason));
                    return panel;
                }
            }
            if let Some(lost) = lost {
                self.leave(&title, lost);
            }
            self.look(json, &mut panel);
        }
        panel
    }

    fn queries(&mut self, json: &Value, title: &str) -> Result<Vec<Query>, String> {
        let mut queries = Vec::new();
        for target in json["targets"].as_array().into_iter().flatten() {
            if target["hide"].as_bool() == Some(true) {
                continue;
            }
            let source = source_of(target).or(source_of(json)).unwrap_or_default();
            if !["", "prometheus", "__expr__"].contains(&source.as_str()) {
                return Err(format!(
                    "its data come from {source}, and only Prometheus queries can be asked here"
                ));
            }
            if source == "__expr__" {
                self.leave(
                    title,
                    "an expression of Grafana over other queries is not evaluated: write it as PromQL",
                );
                continue;
            }
            match target["expr"].as_str().filter(|e| !e.trim().is_empty()) {
                Some(expr) => {
                    let legend = target["legendFormat"].as_str().filter(|l| !l.is_empty() && *l != "__auto");
                    queries.push(Query {
                        expr: expr.to_owned(),
                        legend: legend.map(str::to_owned),
                        unit: None,
                    });
                }
                None => self.leave(title, "a query without PromQL is left out"),
            }
        }
        if queries.is_empty() { Err("it has no PromQL query".to_owned()) } else { Ok(queries) }
    }

    /// Unit, axis and thresholds.
    fn look(&mut self, json: &Value, panel: &mut Panel) {
        let defaults = &json["fieldConfig"]["defaults"];
        let unit =
            defaults["unit"].as_str().or(json["format"].as_str()).or(json["yaxes"][0]["format"].as_str());
        panel.unit = unit.and_then(unit_of);
        let limit = |field: &Value| field.as_f64().filter(|v| v.is_finite());
        (panel.min, panel.max) = (limit(&defaults["min"]), limit(&defaults["max"]));
        let steps = defaults["thresholds"]["steps"].as_array().into_iter().flatten();
        let percentage = defaults["thresholds"]["mode"].as_str() == Some("percentage");
        if !percentage {
            let level = |s: &Value| {
                Some(Threshold { at: s["value"].as_f64()?, level: level_of(s["color"].as_str()?)? })
            };
            panel.thresholds = steps.filter_map(level).collect();
        }
        if json["transformations"].as_array().is_some_and(|t| !t.is_empty()) {
            self.leave(
                &panel.title,
                "its transformations are not carried out: the values are shown as the queries answer them",
            );
        }
        if json["fieldConfig"]["overrides"].as_array().is_some_and(|o| !o.is_empty()) {
            self.leave(&panel.title, "settings of single series (overrides) are left out");
        }
    }

    fn variables(&mut self, list: &Value) -> Vec<Variable> {
        list.as_array().into_iter().flatten().filter_map(|json| self.variable(json)).collect()
    }

    fn variable(&mut self, json: &Value) -> Option<Variable> {
        let name = json["name"].as_str()?.to_owned();
        let what = format!("variable {name}");
        let current = match &json["current"]["value"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(_) => texts(&json["current"]["value"]),
            _ => Vec::new(),
        };
        let default = current.into_iter().filter(|v| v != "$__all" && !v.is_empty()).collect();
        let label = json["label"].as_str().filter(|l| !l.is_empty()).map(str::to_owned);
        let multi = json["multi"].as_bool().unwrap_or(false);
        let made = Variable { name, label, multi, default, ..Variable::default() };
        let choices = || {
            texts(&Value::Array(
                json["options"].as_array().into_iter().flatten().map(|o| o["value"].clone()).collect(),
            ))
        };
        match json["type"].as_str().unwrap_or("") {
            "query" => {
                let query = json["query"]
                    .as_str()
                    .or(json["query"]["query"].as_str())
                    .or(json["definition"].as_str())
                    .unwrap_or("");
                if query.trim_start().starts_with("label_values(") {
                    return Some(Variable { query: Some(query.to_owned()), ..made });
                }
                self.leave(
                    &what,
                    format!("its query {query:?} is none of label_values(...): it keeps the value it had"),
                );
                Some(Variable { values: Some(made.default.clone()), ..made })
            }
            "custom" | "interval" => {
                let written = json["query"]
                    .as_str()
                    .unwrap_or("")
                    .split(',')
                    .map(|t| t.trim().to_owned())
                    .filter(|t| !t.is_empty());
                let mut values: Vec<String> = written.collect();
                if values.is_empty() {
                    values = choices().into_iter().filter(|v| v != "$__all").collect();
                }
                Some(Variable { values: Some(values), ..made })
            }
            "constant" | "textbox" => {
                let value = json["query"].as_str().unwrap_or("").to_owned();
                Some(Variable { values: Some(vec![value.clone()]), default: vec![value], ..made })
            }
            // there is one data source here: this cluster
            "datasource" => None,
            other => {
                self.leave(&what, format!("variables of the type {other:?} are left out"));
                None
            }
        }
    }
}

/// The kind of panel, and what is lost on the way.
fn kind_of(name: &str, json: &Value) -> Result<(Kind, Option<&'static str>), String> {
    let custom = &json["fieldConfig"]["defaults"]["custom"];
    let stacked = ["normal", "percent"].contains(&custom["stacking"]["mode"].as_str().unwrap_or(""))
        || json["stack"].as_bool() == Some(true);
    let filled = custom["fillOpacity"].as_f64().is_some_and(|o| o >= 10.0);
    Ok(match name {
        "timeseries" | "graph" if stacked => (Kind::Stacked, None),
        "timeseries" if filled => (Kind::Area, None),
        "timeseries" | "graph" => (Kind::Line, None),
        "stat" | "singlestat" => (Kind::Stat, None),
        "gauge" => (Kind::Stat, Some("a gauge is shown as its value")),
        "bargauge" => (Kind::Bars, None),
        "piechart" | "grafana-piechart-panel" => (Kind::Bars, Some("a pie is shown as bars")),
        "barchart" => (Kind::Bars, Some("a bar chart is shown as bars of the last values")),
        "table" | "table-old" => (Kind::Table, None),
        "heatmap" => (Kind::Heatmap, None),
        "text" => (Kind::Text, Some("its text is shown as plain text")),
        "row" => (Kind::Section, None),
        "" => return Err("its type is not said".to_owned()),
        other => return Err(format!("panels of the type {other:?} are not known here")),
    })
}

fn place(json: &Value, below: u16) -> Place {
    let number = |name: &str, least: u64, most: u64| json[name].as_u64().map(|n| n.clamp(least, most) as u16);
    let columns = u64::from(COLUMNS);
    let x = number("x", 0, columns - 1).unwrap_or(0);
    let w = number("w", 1, columns).unwrap_or(COLUMNS / 2).min(COLUMNS - x);
    Place { x, y: number("y", 0, 1900).unwrap_or(below), w, h: number("h", 1, 100).unwrap_or(8) }
}

/// Moves panels down until none lies on another: the panels of folded rows have places of their own counting.
fn unstack(panels: &mut [Panel]) {
    for i in 0..panels.len() {
        loop {
            let a = panels[i].at;
            let under = panels[..i]
                .iter()
                .map(|p| p.at)
                .find(|b| a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
            match under {
                Some(b) => panels[i].at.y = b.y + b.h,
                None => break,
            }
        }
    }
}

fn source_of(json: &Value) -> Option<String> {
    let source = &json["datasource"];
    // a bare name, or a variable, says nothing about the kind
    let kind = source["type"].as_str().or(match source["uid"].as_str() {
        Some("__expr__") => Some("__expr__"),
        _ => None,
    })?;
    Some(kind.to_lowercase())
}

fn unit_of(grafana: &str) -> Option<String> {
    Some(
        match grafana {
            "s" | "dtdurations" | "clocks" => "s",
            "ms" | "dtdurationms" => "ms",
            "bytes" | "decbytes" => "bytes",
            "Bps" | "binBps" => "bytes/s",
            "percentunit" => "percent",
            "percent" => "percent100",
            "currencyUSD" => "usd",
            "reqps" | "ops" | "rps" | "wps" | "iops" | "cps" => "/s",
            "dateTimeAsIso" | "dateTimeFromNow" | "dateTimeAsUS" => "time",
            "short" | "none" | "locale" | "" => return None,
            other => other,
        }
        .to_owned(),
    )
}

fn level_of(color: &str) -> Option<Level> {
    let has = |words: &[&str]| words.iter().any(|w| color.contains(w));
    match color {
        _ if has(&["red"]) => Some(Level::Bad),
        _ if has(&["yellow", "orange"]) => Some(Level::Warn),
        _ if has(&["green"]) => Some(Level::Good),
        _ => None,
    }
}

fn is_plain_span(text: &str) -> bool {
    text.strip_prefix("now-").is_some_and(|t| seconds(t).is_some())
}

fn seconds(text: &str) -> Option<u32> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match &text[at..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    text[..at].parse::<u32>().ok()?.checked_mul(unit)
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn imported(panels: Value) -> Imported {
        import(&json!({"title": "T", "schemaVersion": 39, "panels": panels})).expect("it has a title")
    }

    #[test]
    fn panels_come_over_with_unit_thresholds_and_legend() {
        let found = imported(json!([{
            "type": "timeseries", "title": "Errors", "gridPos": {"x": 12, "y": 3, "w": 12, "h": 8},
            "datasource": {"type": "prometheus", "uid": "${DS}"},
            "targets": [
                {"expr": "rate(errors_total[$__rate_interval])", "legendFormat": "{{job}}"},
                {"expr": "hidden", "hide": true}
            ],
            "fieldConfig": {"defaults": {
                "unit": "percentunit", "max": 1, "custom": {"stacking": {"mode": "normal"}},
                "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": null}, {"color": "red", "value": 0.1}]}
            }, "overrides": []}
        }]));
        let panel = &found.dashboard.panels[0];
        assert_eq!(
            (panel.kind, panel.unit.as_deref(), panel.max),
            (Kind::Stacked, Some("percent"), Some(1.0))
        );
        assert_eq!(panel.at, Place { x: 12, y: 3, w: 12, h: 8 });
        assert_eq!(panel.queries.len(), 1);
        assert_eq!(panel.queries[0].legend.as_deref(), Some("{{job}}"));
        assert_eq!(panel.thresholds, [Threshold { at: 0.1, level: Level::Bad }]);
        assert_eq!(found.left_out, []);
    }

    #[test]
    fn what_cannot_be_shown_stays_and_says_why() {
        let found = imported(json!([
            {"type": "nodeGraph", "title": "Graph", "gridPos": {"x": 0, "y": 0, "w": 8, "h": 6}},
            {"type": "timeseries", "title": "Logs", "datasource": {"type": "loki"}, "targets": [{"expr": "{a=\"b\"}"}]},
            {"type": "stat", "title": "Empty", "targets": []},
            {"type": "table", "title": "Moved", "targets": [{"expr": "up"}], "transformations": [{"id": "merge"}]}
        ]));
        let kinds: Vec<Kind> = found.dashboard.panels.iter().map(|p| p.kind).collect();
        assert_eq!(kinds, [Kind::Unsupported, Kind::Unsupported, Kind::Unsupported, Kind::Table]);
        let reasons: Vec<&str> = found.left_out.iter().map(|l| l.reason.as_str()).collect();
        assert!(
            reasons[0].contains("nodeGraph")
                && reasons[1].contains("loki")
                && reasons[2].contains("no PromQL"),
            "{reasons:?}"
        );
        assert!(reasons[3].contains("transformations"));
        found.dashboard.check(&|_| Ok(())).expect("a dashboard all the same");
    }

    #[test]
    fn variables_come_over_and_the_data_source_is_this_cluster() {
        let json = json!({"dashboard": {"title": "V", "schemaVersion": 39, "panels": [], "templating": {"list": [
            {"type": "datasource", "name": "DS", "query": "prometheus"},
            {"type": "query", "name": "job", "query": {"query": "label_values(up, job)"}, "multi": true, "current": {"value": ["$__all"]}},
            {"type": "custom", "name": "q", "query": "0.5, 0.95", "current": {"value": "0.95"}},
            {"type": "query", "name": "x", "query": "query_result(up)"},
            {"type": "adhoc", "name": "filters"}
        ]}}});
        let found = import(&json).expect("Grafana's own wrapping");
        let variables = &found.dashboard.variables;
        assert_eq!(variables.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["job", "q", "x"]);
        assert_eq!(variables[0].query.as_deref(), Some("label_values(up, job)"));
        assert!(variables[0].multi && variables[0].default.is_empty());
        assert_eq!(variables[1].values.as_deref(), Some(&["0.5".to_owned(), "0.95".to_owned()][..]));
        assert_eq!(variables[1].default, ["0.95"]);
        assert_eq!(found.left_out.len(), 2, "{:?}", found.left_out);
    }

    #[test]
    fn the_panels_of_a_folded_row_lie_below_it_and_on_nothing() {
        let inner = |y: u16| json!({"type": "stat", "title": "s", "gridPos": {"x": 0, "y": y, "w": 24, "h": 4}, "targets": [{"expr": "up"}]});
        let found = imported(json!([
            {"type": "row", "title": "A", "collapsed": true, "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}, "panels": [inner(1), inner(5)]},
            {"type": "row", "title": "B", "gridPos": {"x": 0, "y": 1, "w": 24, "h": 1}},
            inner(2)
        ]));
        let rows: Vec<(u16, u16)> = found.dashboard.panels.iter().map(|p| (p.at.y, p.at.h)).collect();
        assert_eq!(rows, [(0, 1), (1, 4), (5, 4), (9, 1), (10, 4)]);
    }

    #[test]
    fn other_json_is_told_apart() {
        assert!(is_grafana(&json!({"title": "a", "panels": [{"type": "stat"}]})));
        assert!(!is_grafana(&json!({"title": "a", "panels": [{"kind": "stat"}]})));
        assert!(import(&json!({"schemaVersion": 3})).is_err());
        assert!(
            import(&json!({"title": "old", "rows": []}))
                .expect_err("too old")
                .to_string()
                .contains("Grafana 4")
        );
    }
}
