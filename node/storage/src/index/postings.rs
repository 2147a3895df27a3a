use roaring::RoaringBitmap;

/// Beyond this a bitmap is smaller than a list.
const LONGEST_LIST: usize = 32;

/// The series that have one label pair. Most pairs belong to a handful of series: a list is a fifth of a bitmap there.
#[derive(Debug)]
pub(crate) enum Postings {
    Few(Vec<u32>),
    Many(RoaringBitmap),
}

impl Default for Postings {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Postings {
    pub(crate) fn insert(&mut self, r: u32) {
        match self {
            Self::Few(list) => {
                if let Err(at) = list.binary_search(&r) {
                    list.reserve_exact(if list.len() < 4 { 1 } else { 4 });
                    list.insert(at, r);
                }
                if list.len() > LONGEST_LIST {
                    *self = Self::Many(list.iter().copied().collect());
                }
            }
            Self::Many(map) => {
                map.insert(r);
            }
        }
    }

    pub(crate) fn remove(&mut self, r: u32) {
        match self {
            Self::Few(list) => list.retain(|x| *x != r),
            Self::Many(map) => {
                map.remove(r);
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Few(list) => list.len() as u64,
            Self::Many(map) => map.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds these series to `out`.
    pub(crate) fn add_to(&self, out: &mut RoaringBitmap) {
        match self {
            Self::Few(list) => out.extend(list.iter().copied()),
            Self::Many(map) => *out |= map,
        }
    }

    /// Whether one of these series is in `set`.
    pub(crate) fn meets(&self, set: &RoaringBitmap) -> bool {
        match self {
            Self::Few(list) => list.iter().any(|r| set.contains(*r)),
            Self::Many(map) => !map.is_disjoint(set),
        }
    }

    /// Size on the heap, roughly.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Few(list) => list.capacity() * 4,
            Self::Many(map) => map.serialized_size(),
        }
    }
}
