//! A map from dense series refs to values: two array look-ups, no hash.

use plimsoll_model::SeriesRef;

const PAGE: usize = 256;
const ABSENT: u32 = u32::MAX;

struct Page {
    slots: [u32; PAGE],
    live: u16,
}

/// Values by ref. Refs are never given out twice, so pages whose series are all gone are dropped whole and a
/// gone series between live ones costs four bytes.
pub(crate) struct RefMap<T> {
    pages: Vec<Option<Box<Page>>>,
    values: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for RefMap<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), values: Vec::new(), free: Vec::new() }
    }
}

impl<T: Default> RefMap<T> {
    #[inline]
    fn slot(&self, r: SeriesRef) -> Option<usize> {
        let page = self.pages.get(r.index() / PAGE)?.as_deref()?;
        let slot = page.slots[r.index() % PAGE];
        if slot == ABSENT { None } else { Some(slot as usize) }
    }

    #[inline]
    pub(crate) fn get(&self, r: SeriesRef) -> Option<&T> {
        self.slot(r).map(|slot| &self.values[slot])
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, r: SeriesRef) -> Option<&mut T> {
        self.slot(r).map(|slot| &mut self.values[slot])
    }

    /// Sets the value of `r`.
    pub(crate) fn insert(&mut self, r: SeriesRef, value: T) {
        if let Some(old) = self.get_mut(r) {
            *old = value;
            return;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.values[slot as usize] = value;
                slot
            }
            None => {
                self.values.push(value);
                self.values.len() as u32 - 1
            }
        };
        let at = r.index() / PAGE;
        if self.pages.len() <= at {
            self.pages.resize_with(at + 1, || None);
        }
        let page = self.pages[at].get_or_insert_with(|| Box::new(Page { slots: [ABSENT; PAGE], live: 0 }));
        page.slots[r.index() % PAGE] = slot;
        page.live += 1;
    }

    /// Takes the value of `r` out.
    pub(crate) fn remove(&mut self, r: SeriesRef) -> Option<T> {
        let slot = self.slot(r)?;
        let place = &mut self.pages[r.index() / PAGE];
        let page = place.as_deref_mut().expect("the slot was found on this page");
        page.slots[r.index() % PAGE] = ABSENT;
        page.live -= 1;
        if page.live == 0 {
            *place = None;
        }
        self.free.push(slot as u32);
        Some(std::mem::take(&mut self.values[slot]))
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    /// All values in ascending order of the ref.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SeriesRef, &T)> {
        self.slots().map(|(r, slot)| (r, &self.values[slot]))
    }

    fn slots(&self) -> impl Iterator<Item = (SeriesRef, usize)> {
        self.pages.iter().enumerate().filter_map(|(i, p)| p.as_deref().map(|p| (i, p))).flat_map(|(i, p)| {
            let live = p.slots.iter().enumerate().filter(|(_, slot)| **slot != ABSENT);
            live.map(move |(j, slot)| (SeriesRef((i * PAGE + j) as u32), *slot as usize))
        })
    }

    /// Calls `f` with every value in ascending order of the ref.
    pub(crate) fn for_each_mut(&mut self, mut f: impl FnMut(SeriesRef, &mut T)) {
        for (i, page) in self.pages.iter().enumerate() {
            let Some(page) = page else { continue };
            for (j, &slot) in page.slots.iter().enumerate().filter(|(_, slot)| **slot != ABSENT) {
                f(SeriesRef((i * PAGE + j) as u32), &mut self.values[slot as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_behaves_as_a_map(ops in proptest::collection::vec((0u32..2000, proptest::option::of(1u64..100)), 0..400)) {
            let (mut map, mut model) = (RefMap::default(), BTreeMap::new());
            for (r, op) in ops {
                match op {
                    Some(v) => {
                        map.insert(SeriesRef(r), v);
                        model.insert(r, v);
                    }
                    None => prop_assert_eq!(map.remove(SeriesRef(r)), model.remove(&r)),
                }
            }
            prop_assert_eq!(map.len(), model.len());
            let all: Vec<_> = map.iter().map(|(r, v)| (r.0, *v)).collect();
            prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
        }
    }
}
