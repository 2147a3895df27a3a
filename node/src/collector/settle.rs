use super::{Error, Routes, routes::Route, split::Parcel};
use crate::shard::Shards;
use futures::future::join_all;
use plimsoll_proto::ingest::{Decoded, Refusal};

/// What the shards said of a request.
#[derive(Default)]
pub(super) struct Settled {
    pub duplicates: u64,
    pub replaced: u64,
    /// Data points with increases whose interval overlaps one that was counted.
    pub overlapping: u64,
    /// Data points with increases that are too old to be told from a repeat.
    pub late: u64,
    /// A shard did not know a ref: the route is forgotten, the request must be decoded again.
    pub unknown: bool,
}

impl Settled {
    /// Counts what the shards refused: they alone know which intervals were counted.
    pub(super) fn refuse(&self, decoded: &mut Decoded) {
        for (reason, points) in [(Refusal::DeltaOverlap, self.overlapping), (Refusal::DeltaLate, self.late)] {
            decoded
                .refused
                .add(reason, points, || "an increase whose shard has counted other intervals".into());
            decoded.refused_points += points;
        }
    }
}

/// Sends every shard its part and waits for all acks. The first failure is the answer: what other shards took
/// stays, and taking it again changes nothing.
pub(super) async fn settle(parcels: Vec<Parcel>, shards: &Shards, routes: &Routes) -> Result<Settled, Error> {
    let acks = parcels.into_iter().map(|Parcel { shard: id, batch, keys }| async move {
        let applied = shards.append(id, batch).await?;
        Ok::<_, crate::shard::Error>((id, keys, applied))
    });
    let mut settled = Settled::default();
    let mut failed = None;
    for ack in join_all(acks).await {
        match ack {
            Ok((shard, keys, applied)) => {
                if !keys.is_empty() {
                    let found = applied.refs.iter().map(|series| Route { shard, series: *series });
                    routes.put(keys.into_iter().zip(found));
                }
                if !applied.unknown.is_empty() {
                    routes.forget(shard, &applied.unknown);
                    settled.unknown = true;
                }
                settled.duplicates += u64::from(applied.duplicates);
                settled.replaced += u64::from(applied.replaced);
                settled.overlapping += u64::from(applied.overlapping);
                settled.late += u64::from(applied.late);
            }
            Err(e) => failed = Some(e),
        }
    }
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(settled),
    }
}
