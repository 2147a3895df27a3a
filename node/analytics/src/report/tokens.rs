use super::facts::{self, Facts};
use super::{Cell, Column, Kind, Report, Row, Table, Unit, ratio};
use crate::Period;
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of tokens in the order of their columns; others follow in the order of the alphabet.
const KINDS: [&str; 5] = ["input", "output", "cache_read", "cache_write", "reasoning"];
/// Columns of kinds that there may be; whoever sends samples chooses the names.
const MAX_KINDS: usize = 12;
const OTHER: &str = "other";

/// Tokens to be priced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage<'a> {
    /// Value of the label `provider`, empty where it is not known.
    pub provider: &'a str,
    /// Value of the label `model`.
    pub model: &'a str,
    /// Value of the label `token_type`.
    pub kind: &'a str,
    /// How many.
    pub tokens: f64,
    /// When they were used, roughly: the end of the period.
    pub at: plimsoll_model::Timestamp,
}

/// What tokens cost where no series of costs tells it.
pub trait Pricing: Send + Sync {
    /// Dollars, or nothing for what has no price.
    fn price(&self, usage: &Usage<'_>) -> Option<f64>;
}

/// Knows no price.
pub struct Unpriced;

impl Pricing for Unpriced {
    fn price(&self, _: &Usage<'_>) -> Option<f64> {
        None
    }
}

#[derive(Default)]
struct Line {
    kinds: BTreeMap<String, f64>,
    /// Sum of `llm_cost_usd_total`, by kind of token; one without a kind is for all of them.
    counted: BTreeMap<String, f64>,
    priced: f64,
    /// Tokens that nobody has a price for.
    unpriced: f64,
}

/// What models were given, answered and cost, by the report's keys and by kind of token.
pub fn tokens(facts: &Facts, period: Period, pricing: &dyn Pricing) -> Report {
    let mut notes = Vec::new();
    let lines = lines(facts, period, pricing, &mut notes);
    let (names, folded) = kinds(&lines);
    if folded > 0 {
        notes.push(format!("{folded} more kinds of tokens stand under `{OTHER}`"));
    }
    let mut columns = vec![("total".to_owned(), Unit::Count)];
    columns.extend(names.iter().map(|kind| (format!("tokens.{kind}"), Unit::Count)));
    columns.push(("cost_usd".to_owned(), Unit::Usd));
    columns.push(("cost_basis".to_owned(), Unit::Text));
    let mut table = Table::new("usage", "Token usage", &facts.keys, &[]);
    table.columns = columns.into_iter().map(|(name, unit)| Column { name, unit }).collect();
    let (mut whole, mut costs) = (Line::default(), false);
    for (keys, line) in &lines {
        table.push(keys.clone(), line.cells(&names));
        for (kind, tokens) in &line.kinds {
            *whole.kinds.entry(kind.clone()).or_default() += tokens;
        }
        let (cost, _) = line.cost();
        whole.priced += cost.unwrap_or(0.0);
        whole.unpriced += line.unpriced;
        costs |= cost.is_some();
    }
    table.total = Some(Row { keys: Vec::new(), cells: whole.total_cells(&names, costs) });
    if whole.unpriced > 0.0 {
        let part = if costs { "; the total cost is a lower bound" } else { "" };
        notes.push(format!("{} tokens have no price{part}", whole.unpriced));
    }
    let kinds = kinds_table(&whole);
    Report { kind: Kind::Tokens, period, earlier: None, tables: vec![table.finish(), kinds], notes }
}

fn lines(
    facts: &Facts,
    period: Period,
    pricing: &dyn Pricing,
    notes: &mut Vec<String>,
) -> BTreeMap<Vec<String>, Line> {
    let mut lines: BTreeMap<Vec<String>, Line> = BTreeMap::new();
    for fact in facts.of(facts::COST[0]) {
        let line = lines.entry(fact.keys()).or_default();
        *line.counted.entry(fact.label("token_type").to_owned()).or_default() += fact.total();
    }
    if let Some(name) = facts.choose(&facts::TOKENS, false, notes) {
        for fact in facts.of(name) {
            let line = lines.entry(fact.keys()).or_default();
            let kind = fact.label("token_type");
            let named = if kind.is_empty() { OTHER } else { kind };
            *line.kinds.entry(named.to_owned()).or_default() += fact.total();
            if line.counted.contains_key(kind) || line.counted.contains_key("") {
                continue;
            }
            let (provider, model) = (fact.label("provider"), fact.label("model"));
            let usage = Usage { provider, model, kind, tokens: fact.total(), at: period.to };
            match pricing.price(&usage) {
                Some(cost) => line.priced += cost,
                None => line.unpriced += fact.total(),
            }
        }
    }
    lines
}

/// The kinds that get a column, and how many stand under another one.
fn kinds(lines: &BTreeMap<Vec<String>, Line>) -> (Vec<String>, usize) {
    let all: BTreeSet<&str> = lines.values().flat_map(|l| l.kinds.keys().map(String::as_str)).collect();
    let known = KINDS.iter().copied().filter(|kind| all.contains(kind));
    let others = all.iter().copied().filter(|kind| !KINDS.contains(kind) && *kind != OTHER);
    let mut names: Vec<String> = known.chain(others).map(str::to_owned).collect();
    let folded = names.len().saturating_sub(MAX_KINDS);
    names.truncate(MAX_KINDS);
    if folded > 0 || all.contains(OTHER) {
        names.push(OTHER.to_owned());
    }
    (names, folded)
}

impl Line {
    fn total(&self) -> f64 {
        self.kinds.values().sum()
    }

    /// What it cost, and how that is known.
    fn cost(&self) -> (Option<f64>, &'static str) {
        let counted: f64 = self.counted.values().sum();
        let cost = counted + self.priced;
        match self.unpriced > 0.0 {
            true if cost > 0.0 => (Some(cost), "partly unpriced"),
            true => (None, "unpriced"),
            false if self.total() == 0.0 && cost == 0.0 => (Some(0.0), ""),
            false if self.priced == 0.0 => (Some(counted), "counted"),
            false if counted == 0.0 => (Some(self.priced), "price book"),
            false => (Some(cost), "counted, price book"),
        }
    }

    fn cells(&self, kinds: &[String]) -> Vec<Cell> {
        let (cost, basis) = self.cost();
        self.figures(kinds, cost, basis)
    }

    fn total_cells(&self, kinds: &[String], costs: bool) -> Vec<Cell> {
        let basis = match (costs, self.unpriced > 0.0) {
            (_, false) => "",
            (true, true) => "partly unpriced",
            (false, true) => "unpriced",
        };
        self.figures(kinds, (costs || self.total() == 0.0).then_some(self.priced), basis)
    }

    fn figures(&self, kinds: &[String], cost: Option<f64>, basis: &str) -> Vec<Cell> {
        let shown: f64 =
            kinds.iter().filter(|k| *k != OTHER).filter_map(|k| self.kinds.get(k.as_str())).sum();
        let mut cells = vec![Cell::of(self.total())];
        cells.extend(kinds.iter().map(|kind| {
            let other = kind == OTHER;
            Cell::of(if other { self.total() - shown } else { self.kinds.get(kind).copied().unwrap_or(0.0) })
        }));
        cells.push(Cell::maybe(cost));
        cells.push(Cell::Text(basis.to_owned()));
        cells
    }
}

fn kinds_table(whole: &Line) -> Table {
    let columns = [("tokens", Unit::Count), ("share", Unit::Ratio)];
    let mut table = Table::new("kinds", "Tokens by kind", &["token_type".to_owned()], &columns);
    let total = whole.total();
    for (kind, tokens) in &whole.kinds {
        table.push(vec![kind.clone()], vec![Cell::of(*tokens), Cell::maybe(ratio(*tokens, total))]);
    }
    table.total =
        Some(Row { keys: Vec::new(), cells: vec![Cell::of(total), Cell::maybe(ratio(total, total))] });
    table.finish()
}
