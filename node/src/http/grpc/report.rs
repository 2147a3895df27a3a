use super::query::labels;
use crate::analytics::Wanted;
use crate::http::{ApiError, AppState};
use plimsoll_analytics::anomaly::Season;
use plimsoll_analytics::render::{Format, render};
use plimsoll_analytics::report::{self, Cell, Kind, Row, Table, Unit};
use plimsoll_analytics::{Compare, Period};
use plimsoll_proto::v1;
use tonic::{Request, Response, Status};

const DAY_MS: i64 = 86_400_000;

/// The service `plimsoll.v1.Report`.
pub struct Report(pub AppState);

#[tonic::async_trait]
impl v1::report_server::Report for Report {
    async fn get(&self, request: Request<v1::ReportRequest>) -> Result<Response<v1::ReportResponse>, Status> {
        Ok(Response::new(response(self.make(request.into_inner()).await?)))
    }

    async fn render(
        &self,
        request: Request<v1::RenderReportRequest>,
    ) -> Result<Response<v1::RenderReportResponse>, Status> {
        let r = request.into_inner();
        let format = Format::parse(&r.format)
            .ok_or_else(|| Status::invalid_argument("format is table, wide, json, jsonl, csv, md or html"))?;
        let report = self.make(r.report.unwrap_or_default()).await?;
        let (content_type, body) = (format.content_type().to_owned(), render(&report, format));
        Ok(Response::new(v1::RenderReportResponse { content_type, body }))
    }

    async fn anomalies(
        &self,
        request: Request<v1::AnomaliesRequest>,
    ) -> Result<Response<v1::AnomaliesResponse>, Status> {
        let r = request.into_inner();
        let at = r.time.unwrap_or_else(crate::now_ms);
        let found = self.0.analytics.anomalies(at, r.all).await.map_err(ApiError::from)?;
        let anomaly = |a: crate::analytics::Anomaly| v1::Anomaly {
            watch: a.watch,
            labels: Some(v1::LabelSet { labels: labels(&a.labels) }),
            score: a.score,
            threshold: a.threshold,
            value: a.value,
            expected: a.expected,
            lower: a.lower,
            upper: a.upper,
        };
        Ok(Response::new(v1::AnomaliesResponse { anomalies: found.into_iter().map(anomaly).collect() }))
    }

    async fn forecast(
        &self,
        request: Request<v1::ForecastRequest>,
    ) -> Result<Response<v1::ForecastResponse>, Status> {
        let r = request.into_inner();
        let season = if r.season.is_empty() { Some(Season::Auto) } else { Season::parse(&r.season) };
        let season =
            season.ok_or_else(|| Status::invalid_argument("season is auto, none, daily or weekly"))?;
        let horizon =
            if r.horizon_ms == 0 { DAY_MS } else { i64::try_from(r.horizon_ms).unwrap_or(i64::MAX) };
        let told = self.0.analytics.forecast(&r.query, crate::now_ms(), horizon, season).await;
        let (told, notes) = told.map_err(ApiError::from)?;
        let series = told.into_iter().map(|(of, forecast)| {
            let each =
                |f: fn(&plimsoll_analytics::forecast::Point) -> f64| forecast.points.iter().map(f).collect();
            v1::SeriesForecast {
                labels: Some(v1::LabelSet { labels: labels(&of) }),
                season: forecast.season.as_str().to_owned(),
                trend: forecast.trend,
                coverage: forecast.coverage,
                timestamps: forecast.points.iter().map(|p| p.at_ms).collect(),
                expected: each(|p| p.expected),
                lower: each(|p| p.lower),
                upper: each(|p| p.upper),
            }
        });
        Ok(Response::new(v1::ForecastResponse { series: series.collect(), notes }))
    }
}

impl Report {
    async fn make(&self, r: v1::ReportRequest) -> Result<report::Report, Status> {
        let kind = match r.kind() {
            v1::ReportKind::Loops => Kind::Loops,
            v1::ReportKind::Tokens => Kind::Tokens,
            v1::ReportKind::Tools => Kind::Tools,
            v1::ReportKind::Errors => Kind::Errors,
            v1::ReportKind::Health => Kind::Health,
        };
        let to = r.to.unwrap_or_else(crate::now_ms);
        let bad = |e: plimsoll_analytics::PeriodError| Status::invalid_argument(e.to_string());
        let period = Period::new(r.from.unwrap_or(to.saturating_sub(DAY_MS)), to).map_err(bad)?;
        let compare =
            if r.compare.is_empty() { None } else { Some(Compare::parse(&r.compare).map_err(bad)?) };
        let selector = Some(r.selector.as_str()).filter(|s| !s.is_empty());
        let matchers = crate::http::reports::matchers(selector)?;
        let wanted = Wanted { kind, period, compare, by: r.by, matchers };
        Ok(self.0.analytics.report(&wanted).await.map_err(ApiError::from)?)
    }
}

fn response(report: report::Report) -> v1::ReportResponse {
    let kind = match report.kind {
        Kind::Loops => v1::ReportKind::Loops,
        Kind::Tokens => v1::ReportKind::Tokens,
        Kind::Tools => v1::ReportKind::Tools,
        Kind::Errors => v1::ReportKind::Errors,
        Kind::Health => v1::ReportKind::Health,
    };
    let earlier = report.earlier.map(|(p, _)| p);
    v1::ReportResponse {
        kind: kind.into(),
        from: report.period.from,
        to: report.period.to,
        compare_from: earlier.map(|p| p.from),
        compare_to: earlier.map(|p| p.to),
        tables: report.tables.into_iter().map(table).collect(),
        notes: report.notes,
    }
}

fn table(table: Table) -> v1::ReportTable {
    let unit = |unit| match unit {
        Unit::Count => "count",
        Unit::Usd => "usd",
        Unit::Seconds => "seconds",
        Unit::Ratio => "ratio",
        Unit::Text => "text",
    };
    let columns = table.columns.into_iter();
    v1::ReportTable {
        name: table.name.to_owned(),
        title: table.title,
        keys: table.keys,
        columns: columns.map(|c| v1::ReportColumn { name: c.name, unit: unit(c.unit).to_owned() }).collect(),
        rows: table.rows.into_iter().map(row).collect(),
        total: table.total.map(row),
    }
}

fn row(row: Row) -> v1::ReportRow {
    let cell = |cell| match cell {
        Cell::Text(text) => v1::ReportCell { text, ..Default::default() },
        Cell::Figure(value, before) => {
            v1::ReportCell { value, before: before.flatten(), ..Default::default() }
        }
    };
    v1::ReportRow { keys: row.keys, cells: row.cells.into_iter().map(cell).collect() }
}
