use super::query::selectors;
use crate::http::AppState;
use crate::query::{Request as Asked, Times};
use plimsoll_promql::{Point, Value};
use plimsoll_proto::v1;
use std::time::Instant;
use tonic::{Request, Response, Status};

/// The service `plimsoll.v1.Admin`.
pub struct Admin(pub AppState);

#[tonic::async_trait]
impl v1::admin_server::Admin for Admin {
    async fn status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        let app = &self.0;
        let node = app.cluster.node_id().0;
        let locals = app.shards.locals();
        let lives = locals.iter().filter_map(|s| s.live().ok().map(|l| (s.id, l)));
        let shards: Vec<v1::ShardStatus> = lives
            .map(|(id, live)| {
                let (raft, held) = (live.group.status(), live.storage().statistics());
                v1::ShardStatus {
                    shard: u32::from(id.0),
                    leader: live.group.leader().map_or(0, |n| n.0),
                    replicas: app.cluster.place(id).0.iter().map(|n| n.0).collect(),
                    series: held.series,
                    head_samples: held.head_samples,
                    disk_bytes: held.disk_bytes,
                    applied_index: raft.applied.unwrap_or(0),
                    ..Default::default()
                }
            })
            .collect();
        let all = app.shards.leaderless().is_empty();
        let verdict = if all { "all shards take writes and answer" } else { "some shards have no leader" };
        Ok(Response::new(v1::StatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: app.cluster.id(),
            node_id: node,
            state: if all { "active" } else { "starting" }.to_owned(),
            uptime_ms: app.started.elapsed().as_millis() as u64,
            shards,
            disk_bytes: app.database.disk_bytes().unwrap_or_default() + app.log.stats().disk_bytes,
            verdict: verdict.to_owned(),
            ..Default::default()
        }))
    }

    async fn checkpoint(
        &self,
        request: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        let (began, mut samples) = (Instant::now(), 0);
        for shard in self.chosen(&request.into_inner().shards)? {
            samples += shard.live().map_or(0, |l| l.storage().statistics().head_samples);
            shard.checkpoint().await.map_err(crate::http::ApiError::from)?;
        }
        let duration_ms = began.elapsed().as_millis() as u64;
        Ok(Response::new(v1::CheckpointResponse { samples, duration_ms, ..Default::default() }))
    }

    async fn compact(
        &self,
        request: Request<v1::CompactRequest>,
    ) -> Result<Response<v1::CompactResponse>, Status> {
        let began = Instant::now();
        let bytes_before = self.0.database.disk_bytes().map_err(crate::http::ApiError::from)?;
        for shard in self.chosen(&request.into_inner().shards)? {
            shard.compact(true).await.map_err(crate::http::ApiError::from)?;
        }
        Ok(Response::new(v1::CompactResponse {
            bytes_before,
            bytes_after: self.0.database.disk_bytes().map_err(crate::http::ApiError::from)?,
            duration_ms: began.elapsed().as_millis() as u64,
            ..Default::default()
        }))
    }

    async fn cardinality(
        &self,
        request: Request<v1::CardinalityRequest>,
    ) -> Result<Response<v1::CardinalityResponse>, Status> {
        let r = request.into_inner();
        let chosen = r.selector.map(|s| selectors(&[s])).unwrap_or_default();
        let limit = if r.limit == 0 { 10 } else { r.limit as usize };
        let found = self.0.cardinality(chosen, limit).await?;
        let count = |name: String, count: u64| v1::Count { name, count };
        Ok(Response::new(v1::CardinalityResponse {
            series: found.series,
            by_metric: found.metrics.into_iter().map(|m| count(m.name, m.series)).collect(),
            by_label: found.labels.into_iter().map(|l| count(l.name, l.values)).collect(),
            by_pair: found
                .pairs
                .into_iter()
                .map(|p| count(format!("{}={}", p.name, p.value), p.series))
                .collect(),
        }))
    }

    async fn top(&self, request: Request<v1::TopRequest>) -> Result<Response<v1::TopResponse>, Status> {
        let r = request.into_inner();
        let asked = Asked {
            text: r.query,
            times: Times::Instant(crate::now_ms()),
            timeout: None,
            lookback: None,
            origin: "grpc".to_owned(),
            consistency: crate::query::Consistency::Lease,
            partial: false,
        };
        let answer = self.0.queries.run(asked).await.map_err(crate::http::ApiError::from)?;
        let Value::Vector(_, all) = answer.value else {
            return Err(Status::invalid_argument("the query must answer with an instant vector"));
        };
        let mut rows: Vec<(f64, _)> = all
            .into_iter()
            .filter_map(|s| match s.point {
                Point::Float(v) => Some((v, s.labels)),
                Point::Histogram(_) => None,
            })
            .collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        rows.truncate(if r.limit == 0 { 10 } else { r.limit as usize });
        let row = |(value, labels)| v1::TopRow {
            labels: Some(v1::LabelSet { labels: super::query::labels(&labels) }),
            value,
        };
        Ok(Response::new(v1::TopResponse { rows: rows.into_iter().map(row).collect() }))
    }
}

impl Admin {
    /// The shards with these numbers; all of them when none is named.
    fn chosen(&self, numbers: &[u32]) -> Result<Vec<crate::shard::Shard>, Status> {
        if numbers.is_empty() {
            return Ok(self.0.shards.locals());
        }
        let find = |n: &u32| {
            let id = u16::try_from(*n).ok().map(plimsoll_model::ShardId);
            id.and_then(|id| self.0.shards.local(id))
        };
        let missing = |n: &u32| Status::not_found(format!("this node holds no replica of shard {n}"));
        numbers.iter().map(|n| find(n).ok_or_else(|| missing(n))).collect()
    }
}
