use parking_lot::{RwLock, RwLockReadGuard};
use plimsoll_model::{SeriesRef, ShardId};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// No place in the table.
const NOWHERE: u32 = u32::MAX;

/// Where a series is: found by the hash of its raw label bytes, without reading a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The shard.
    pub shard: ShardId,
    /// The series' number there.
    pub series: SeriesRef,
}

/// The routing cache. Bounded: when it is full it is emptied and fills again from what is still sent.
///
/// Senders repeat their series in the same order, so each route remembers which one came after it: most
/// look-ups are one comparison with the next row of a vector, and the hash table is asked only at the seams.
pub struct Routes {
    table: RwLock<Table>,
    capacity: usize,
}

/// The cache, held for the time of one request.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    by_key: HashMap<u128, u32, BuildHasherDefault<KeyHasher>>,
    /// Rows whose route was forgotten, to be used again.
    free: Vec<u32>,
}

struct Row {
    /// `None` in a free row.
    key: Option<u128>,
    route: Route,
    /// The row that was asked for after this one the last time.
    next: AtomicU32,
}

impl Routes {
    /// A cache for about twice `max_series` raw forms: senders may order the labels of one series differently.
    pub fn new(max_series: u64) -> Self {
        let capacity = (max_series as usize).saturating_mul(2).clamp(1024, NOWHERE as usize - 1);
        Self { table: RwLock::default(), capacity }
    }

    /// The cache for reading; to be held no longer than it takes to decode a request.
    pub fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read()
    }

    /// Remembers the routes of `keys`.
    pub fn put(&self, keys: impl Iterator<Item = (u128, Route)>) {
        let mut table = self.table.write();
        for (key, route) in keys {
            if table.by_key.len() >= self.capacity {
                *table = Table::default();
            }
            table.put(key, route);
        }
    }

    /// Forgets routes that a shard no longer knows.
    pub fn forget(&self, shard: ShardId, series: &[SeriesRef]) {
        let gone: HashSet<SeriesRef> = series.iter().copied().collect();
        let mut table = self.table.write();
        let table = &mut *table;
        for (at, row) in table.rows.iter_mut().enumerate() {
            if row.route.shard == shard
                && gone.contains(&row.route.series)
                && let Some(key) = row.key.take()
            {
                table.by_key.remove(&key);
                table.free.push(at as u32);
            }
        }
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.table.read().by_key.len()
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Table {
    /// The route of `key`. `last` is the row of the series before it in the same request, and becomes that of this one.
    #[inline]
    pub fn get(&self, key: u128, last: &mut Place) -> Option<Route> {
        let before = self.rows.get(last.0 as usize);
        if let Some(before) = before {
            let guess = before.next.load(Relaxed);
            if let Some(row) = self.rows.get(guess as usize)
                && row.key == Some(key)
            {
                last.0 = guess;
                return Some(row.route);
            }
        }
        let at = *self.by_key.get(&key)?;
        if let Some(before) = before {
            before.next.store(at, Relaxed);
        }
        last.0 = at;
        self.rows.get(at as usize).map(|row| row.route)
    }

    fn put(&mut self, key: u128, route: Route) {
        let row = Row { key: Some(key), route, next: AtomicU32::new(NOWHERE) };
        if let Some(at) = self.by_key.get(&key) {
            self.rows[*at as usize].route = route;
        } else if let Some(at) = self.free.pop() {
            self.rows[at as usize] = row;
            self.by_key.insert(key, at);
        } else {
            self.by_key.insert(key, self.rows.len() as u32);
            self.rows.push(row);
        }
    }
}

/// A row of the table, or none.
#[derive(Clone, Copy, Debug)]
pub struct Place(u32);

impl Default for Place {
    fn default() -> Self {
        Self(NOWHERE)
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

    fn route(n: u32) -> Route {
        Route { shard: ShardId(3), series: SeriesRef(n) }
    }

    fn get(routes: &Routes, key: u128) -> Option<Route> {
        routes.read().get(key, &mut Place::default())
    }

    #[test]
    fn a_full_cache_is_emptied_and_a_forgotten_ref_is_gone() {
        let routes = Routes::new(0);
        routes.put((0..1024).map(|n| (u128::from(n), route(n))));
        assert_eq!(get(&routes, 7), Some(route(7)));
        routes.forget(ShardId(3), &[SeriesRef(7)]);
        assert_eq!((get(&routes, 7), get(&routes, 8)), (None, Some(route(8))));
        routes.forget(ShardId(4), &[SeriesRef(8)]);
        assert_eq!(get(&routes, 8), Some(route(8)));
        routes.put((2000..5000).map(|n| (u128::from(n), route(n))));
        assert!(routes.len() <= 1024);
    }

    #[test]
    fn a_guess_is_never_taken_for_another_series() {
        let routes = Routes::new(0);
        routes.put((0..10).map(|n| (u128::from(n), route(n))));
        for order in [[0u32, 1, 2, 3], [3, 1, 0, 2], [0, 1, 2, 3]] {
            for _ in 0..2 {
                let (table, mut last) = (routes.read(), Place::default());
                for n in order {
                    assert_eq!(table.get(u128::from(n), &mut last), Some(route(n)));
                }
                assert_eq!(table.get(99, &mut last), None);
            }
        }
        routes.forget(ShardId(3), &[SeriesRef(1)]);
        routes.put([(77, route(77))].into_iter());
        let (table, mut last) = (routes.read(), Place::default());
        assert_eq!(table.get(0, &mut last), Some(route(0)));
        assert_eq!(table.get(1, &mut last), None);
        assert_eq!(table.get(77, &mut last), Some(route(77)));
    }
}
