//! Which series there are and which match: interned label pairs, postings, matchers.
//!
//! Owns: refs, labels and postings of every series with unexpired samples.
//! Does not own: samples and the days in which a series has some (`head`, `disk`).

mod matching;
mod pattern;
mod postings;
mod refs;
mod translate;

pub(crate) use matching::Conditions;
pub(crate) use pattern::Patterns;
pub(crate) use refs::RefMap;

use hashbrown::HashTable;
use plimsoll_model::{Labels, SeriesRef, varint};
use postings::Postings;
use roaring::RoaringBitmap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A label name and every pair with it.
struct Name {
    text: Box<str>,
    pairs: RoaringBitmap,
}

/// A label name with a value, and the series that have it.
#[derive(Default)]
struct Pair {
    name: u32,
    value: Box<str>,
    series: Postings,
}

/// What the index keeps of one series.
#[derive(Default)]
pub(crate) struct Entry {
    /// Its pairs, in ascending order of the label name.
    pub(crate) pairs: Box<[u32]>,
    /// Hash of the metric's name: series of one metric lie side by side on disk.
    pub(crate) metric: u32,
}

/// The index of one shard.
pub(crate) struct Index {
    seed: u64,
    names: Vec<Name>,
    name_table: HashTable<u32>,
    pairs: Vec<Pair>,
    free_pairs: Vec<u32>,
    /// Pairs without series; not given out again while a selection may still name them.
    retired: Vec<u32>,
    pins: Arc<()>,
    pair_table: HashTable<u32>,
    entries: RefMap<Entry>,
    entry_table: HashTable<u32>,
    all: RoaringBitmap,
    next_ref: u32,
}

/// The part of the disk order that a metric name gives.
pub(crate) fn metric_hash(name: &str) -> u32 {
    xxh3_64(name.as_bytes()) as u32
}

impl Default for Index {
    fn default() -> Self {
        Self {
            // Keyed, so that nobody can send labels that all fall into one slot.
            seed: RandomState::new().hash_one(0u8),
            names: Vec::new(),
            name_table: HashTable::new(),
            pairs: Vec::new(),
            free_pairs: Vec::new(),
            retired: Vec::new(),
            pins: Arc::default(),
            pair_table: HashTable::new(),
            entries: RefMap::default(),
            entry_table: HashTable::new(),
            all: RoaringBitmap::new(),
            next_ref: 0,
        }
    }
}

impl Index {
    /// The ref of `labels` and whether it is new.
    pub(crate) fn define(&mut self, labels: &Labels) -> (SeriesRef, bool) {
        let pairs = self.intern_all(labels);
        if let Some(r) = self.find(&pairs) {
            return (r, false);
        }
        let r = SeriesRef(self.next_ref);
        self.next_ref += 1;
        self.add(r, labels, pairs);
        (r, true)
    }

    /// Puts a series back under the ref it had; for opening a shard.
    pub(crate) fn restore(&mut self, r: SeriesRef, labels: &Labels) {
        if self.entries.get(r).is_none() {
            let pairs = self.intern_all(labels);
            self.add(r, labels, pairs);
        }
    }

    fn add(&mut self, r: SeriesRef, labels: &Labels, pairs: Vec<u32>) {
        for &p in &pairs {
            self.pairs[p as usize].series.insert(r.0);
        }
        let (hash, seed) = (hash_pairs(&pairs, self.seed), self.seed);
        let metric = labels.metric_name().map_or(0, metric_hash);
        self.entries.insert(r, Entry { pairs: pairs.into(), metric });
        let entries = &self.entries;
        self.entry_table.insert_unique(hash, r.0, |r| hash_pairs(pairs_of(entries, *r), seed));
        self.all.insert(r.0);
    }

    fn find(&self, pairs: &[u32]) -> Option<SeriesRef> {
        let hash = hash_pairs(pairs, self.seed);
        self.entry_table.find(hash, |r| pairs_of(&self.entries, *r) == pairs).map(|r| SeriesRef(*r))
    }

    fn intern_all(&mut self, labels: &Labels) -> Vec<u32> {
        let mut pairs = Vec::with_capacity(16);
        for (name, value) in labels.iter() {
            let name = self.intern_name(name);
            pairs.push(self.intern_pair(name, value));
        }
        pairs
    }

    fn intern_name(&mut self, text: &str) -> u32 {
        if let Some(id) = self.name(text) {
            return id;
        }
        let (id, seed) = (self.names.len() as u32, self.seed);
        self.names.push(Name { text: text.into(), pairs: RoaringBitmap::new() });
        let names = &self.names;
        let rehash = |id: &u32| hash_text(&names[*id as usize].text, seed);
        self.name_table.insert_unique(hash_text(text, seed), id, rehash);
        id
    }

    fn intern_pair(&mut self, name: u32, value: &str) -> u32 {
        if let Some(id) = self.pair_of(name, value) {
            return id;
        }
        let pair = Pair { name, value: value.into(), series: Postings::default() };
        let id = match self.free_pairs.pop() {
            Some(id) => {
                self.pairs[id as usize] = pair;
                id
            }
            None => {
                self.pairs.push(pair);
                self.pairs.len() as u32 - 1
            }
        };
        let (pairs, seed) = (&self.pairs, self.seed);
        let rehash = |id: &u32| hash_pair(&pairs[*id as usize], seed);
        self.pair_table.insert_unique(hash_pair(&pairs[id as usize], seed), id, rehash);
        self.names[name as usize].pairs.insert(id);
        id
    }

    fn name(&self, text: &str) -> Option<u32> {
        let hash = hash_text(text, self.seed);
        self.name_table.find(hash, |id| *self.names[*id as usize].text == *text).copied()
    }

    fn pair_of(&self, name: u32, value: &str) -> Option<u32> {
        let hash = hash_text(value, self.seed ^ u64::from(name));
        let is_it = |id: &u32| {
            let p = &self.pairs[*id as usize];
            p.name == name && *p.value == *value
        };
        self.pair_table.find(hash, is_it).copied()
    }

    /// Forgets these series; label pairs that nobody has any more are given back.
    pub(crate) fn remove(&mut self, gone: &RoaringBitmap) {
        for r in gone {
            let Some(entry) = self.entries.get(SeriesRef(r)) else { continue };
            let hash = hash_pairs(&entry.pairs, self.seed);
            if let Ok(found) = self.entry_table.find_entry(hash, |x| *x == r) {
                found.remove();
            }
            let entry = self.entries.remove(SeriesRef(r)).expect("it was just found");
            for p in entry.pairs {
                let pair = &mut self.pairs[p as usize];
                pair.series.remove(r);
                if pair.series.is_empty() {
                    self.retire(p);
                }
            }
        }
        self.all -= gone;
        self.recycle();
    }

    fn retire(&mut self, p: u32) {
        let pair = &self.pairs[p as usize];
        let hash = hash_pair(pair, self.seed);
        self.names[pair.name as usize].pairs.remove(p);
        if let Ok(found) = self.pair_table.find_entry(hash, |x| *x == p) {
            found.remove();
        }
        self.retired.push(p);
    }

    fn recycle(&mut self) {
        if Arc::strong_count(&self.pins) == 1 {
            for p in self.retired.drain(..) {
                self.pairs[p as usize] = Pair::default();
                self.free_pairs.push(p);
            }
        }
    }

    /// While the pin is held, pair ids that were read keep their meaning.
    pub(crate) fn pin(&self) -> Arc<()> {
        self.pins.clone()
    }

    pub(crate) fn entry(&self, r: SeriesRef) -> Option<&Entry> {
        self.entries.get(r)
    }

    /// Name and value of a pair that an entry named.
    pub(crate) fn pair(&self, id: u32) -> (&str, &str) {
        let p = &self.pairs[id as usize];
        (&self.names[p.name as usize].text, &p.value)
    }

    /// Adds the labels of these series to a row on its way to disk; those that are gone are left out.
    pub(crate) fn describe(&self, series: &[SeriesRef], row: &mut crate::disk::series::Builder) {
        for r in series {
            if let Some(entry) = self.entry(*r) {
                row.push(*r, entry.pairs.iter().map(|p| self.pair(*p)));
            }
        }
    }

    /// Number of the name of a pair, for comparing pairs by name.
    pub(crate) fn name_of_pair(&self, id: u32) -> u32 {
        self.pairs[id as usize].name
    }

    /// Number of a name, if any series ever had it.
    pub(crate) fn name_id(&self, text: &str) -> Option<u32> {
        self.name(text)
    }

    /// The labels that these pairs make up.
    pub(crate) fn labels(&self, pairs: &[u32]) -> Labels {
        let mut bytes = Vec::with_capacity(pairs.len() * 24);
        for &p in pairs {
            let (name, value) = self.pair(p);
            for text in [name, value] {
                varint::put(&mut bytes, text.len() as u64);
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        Labels::from_bytes(&bytes).expect("pairs are kept in the order of canonical labels")
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> &RoaringBitmap {
        &self.all
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn next_ref(&self) -> u32 {
        self.next_ref
    }

    pub(crate) fn set_next_ref(&mut self, next: u32) {
        self.next_ref = next;
    }

    /// Names that a series of `among` has, sorted.
    pub(crate) fn names(&self, among: &RoaringBitmap) -> Vec<String> {
        let has = |n: &&Name| n.pairs.iter().any(|p| self.pairs[p as usize].series.meets(among));
        let mut out: Vec<String> = self.names.iter().filter(has).map(|n| n.text.to_string()).collect();
        out.sort_unstable();
        out
    }

    /// Values of `name` that a series of `among` has, sorted.
    pub(crate) fn values(&self, name: &str, among: &RoaringBitmap) -> Vec<String> {
        let Some(id) = self.name(name) else { return Vec::new() };
        let pairs = self.names[id as usize].pairs.iter().map(|p| &self.pairs[p as usize]);
        let mut out: Vec<String> =
            pairs.filter(|p| p.series.meets(among)).map(|p| p.value.to_string()).collect();
        out.sort_unstable();
        out
    }

    /// Calls `f` with name, value and number of series of every pair.
    pub(crate) fn for_each_pair(&self, mut f: impl FnMut(&str, &str, u64)) {
        for p in self.pairs.iter().filter(|p| !p.series.is_empty()) {
            f(&self.names[p.name as usize].text, &p.value, p.series.len());
        }
    }

    /// Names with the number of their values.
    pub(crate) fn values_by_name(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().filter(|n| !n.pairs.is_empty()).map(|n| (&*n.text, n.pairs.len()))
    }

    /// Number of names with series, and of pairs.
    pub(crate) fn name_count(&self) -> usize {
        self.names.iter().filter(|n| !n.pairs.is_empty()).count()
    }

    /// Bytes in memory, roughly.
    pub(crate) fn heap(&self) -> usize {
        let pairs: usize = self.pairs.iter().map(|p| p.value.len() + 16 + p.series.heap()).sum();
        let entry = std::mem::size_of::<Entry>() + 60 + 4 + 8;
        pairs + self.pairs.len() * (std::mem::size_of::<Pair>() + 6) + self.len() * entry
    }
}

fn hash_text(text: &str, seed: u64) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), seed)
}

fn hash_pair(p: &Pair, seed: u64) -> u64 {
    hash_text(&p.value, seed ^ u64::from(p.name))
}

fn pairs_of(entries: &RefMap<Entry>, r: u32) -> &[u32] {
    entries.get(SeriesRef(r)).map_or(&[], |e| &e.pairs)
}

/// Pair ids are given out by this process, so nobody can choose them to collide.
fn hash_pairs(pairs: &[u32], seed: u64) -> u64 {
    pairs.iter().fold(seed, |h, p| {
        (h.rotate_left(23) ^ u64::from(*p)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}
