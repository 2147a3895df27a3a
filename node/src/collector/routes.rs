use parking_lot::RwLock;
use plimsoll_model::{SeriesRef, ShardId};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Parts of the cache, each with a lock of its own, so that collectors rarely meet.
const PARTS: usize = 64;

/// Where a series is: found by the hash of its raw label bytes, without reading a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The shard.
    pub shard: ShardId,
    /// The series' number there.
    pub series: SeriesRef,
}

/// The routing cache. Bounded: a part that is full is emptied and fills again from what is still sent.
pub struct Routes {
    parts: Vec<RwLock<HashMap<u128, Route, BuildHasherDefault<KeyHasher>>>>,
    part_capacity: usize,
}

impl Routes {
    /// A cache for about twice `max_series` raw forms: senders may order the labels of one series differently.
    pub fn new(max_series: u64) -> Self {
        let parts = (0..PARTS).map(|_| RwLock::default()).collect();
        let part_capacity = (max_series as usize).saturating_mul(2) / PARTS + 1024;
        Self { parts, part_capacity }
    }

    /// The route of `key`.
    #[inline]
    pub fn get(&self, key: u128) -> Option<Route> {
        self.part(key).read().get(&key).copied()
    }

    /// Remembers the route of `key`.
    pub fn put(&self, key: u128, route: Route) {
        let mut part = self.part(key).write();
        if part.len() >= self.part_capacity {
            part.clear();
        }
        part.insert(key, route);
    }

    /// Forgets routes that a shard no longer knows.
    pub fn forget(&self, shard: ShardId, series: &[SeriesRef]) {
        let gone: HashSet<SeriesRef> = series.iter().copied().collect();
        for part in &self.parts {
            part.write().retain(|_, r| r.shard != shard || !gone.contains(&r.series));
        }
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|p| p.read().len()).sum()
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn part(&self, key: u128) -> &RwLock<HashMap<u128, Route, BuildHasherDefault<KeyHasher>>> {
        &self.parts[(key >> 64) as usize % PARTS]
    }
}

/// Keys are xxh3-128 with a secret seed: already spread, and not to be steered by a sender.
#[derive(Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_part_is_emptied_and_a_forgotten_ref_is_gone() {
        let routes = Routes::new(0);
        let route = |n| Route { shard: ShardId(3), series: SeriesRef(n) };
        for n in 0..1024u32 {
            routes.put(u128::from(n), route(n));
        }
        assert_eq!(routes.get(7), Some(route(7)));
        routes.forget(ShardId(3), &[SeriesRef(7)]);
        assert_eq!((routes.get(7), routes.get(8)), (None, Some(route(8))));
        routes.forget(ShardId(4), &[SeriesRef(8)]);
        assert_eq!(routes.get(8), Some(route(8)));
        for n in 0..3000u32 {
            routes.put(u128::from(n), route(n));
        }
        assert!(routes.len() <= 1024 + 1);
    }
}
