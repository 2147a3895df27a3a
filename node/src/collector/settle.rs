use super::{Error, Routes, routes::Route, split::Split};
use crate::shard::Shards;
use futures::future::join_all;

/// What the shards said of a request.
#[derive(Default)]
pub(super) struct Settled {
    pub duplicates: u64,
    pub replaced: u64,
    /// A shard did not know a ref: the route is forgotten, the request must be decoded again.
    pub unknown: bool,
}

/// Sends every shard its part and waits for all acks. The first failure is the answer: what other shards took
/// stays, and taking it again changes nothing.
pub(super) async fn settle(split: Split, shards: &Shards, routes: &Routes) -> Result<Settled, Error> {
    let acks = split.into_parts().map(|(id, mut part)| async move {
        let shard = shards.get(id).ok_or(crate::shard::Error::Unavailable(id))?;
        let applied = shard.append(part.builder.finish()).await?;
        Ok::<_, crate::shard::Error>((id, part.keys, applied))
    });
    let mut settled = Settled::default();
    let mut failed = None;
    for ack in join_all(acks).await {
        match ack {
            Ok((shard, keys, applied)) => {
                for (key, series) in keys.into_iter().zip(&applied.refs) {
                    routes.put(key, Route { shard, series: *series });
                }
                if !applied.unknown.is_empty() {
                    routes.forget(shard, &applied.unknown);
                    settled.unknown = true;
                }
                settled.duplicates += u64::from(applied.duplicates);
                settled.replaced += u64::from(applied.replaced);
            }
            Err(e) => failed = Some(e),
        }
    }
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(settled),
    }
}
