use super::Selection;
use crate::index::Conditions;
use crate::{Error, Shard};
use plimsoll_model::{Labels, Matcher, SeriesRef, TimeRange};
use roaring::RoaringBitmap;
use std::collections::HashMap;

impl Shard {
    /// Series that meet the matchers and have samples in a day that meets `range`.
    fn matching(&self, matchers: &[Matcher], range: TimeRange) -> Result<RoaringBitmap, Error> {
        let conditions = Conditions::new(matchers, &self.db.patterns)?;
        let active = {
            let head = self.head.read();
            head.active_in(TimeRange { start: range.start.max(head.expired_before), end: range.end })
        };
        Ok(self.index.read().matching(&conditions, &active))
    }

    /// Names of labels of the series that match, sorted.
    pub fn label_names(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<String>, Error> {
        let among = self.matching(matchers, range)?;
        Ok(self.index.read().names(&among))
    }

    /// Values of a label of the series that match, sorted.
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, Error> {
        let among = self.matching(matchers, range)?;
        Ok(self.index.read().values(name, &among))
    }

    /// Labels of the series that match, at most `limit` of them, oldest series first.
    pub fn series(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<Labels>, Error> {
        let matching = self.matching(matchers, range)?;
        let index = self.index.read();
        let entries = matching.iter().filter_map(|r| index.entry(SeriesRef(r)));
        Ok(entries.take(limit).map(|e| index.labels(&e.pairs)).collect())
    }
}

impl Selection {
    /// Puts the series into groups by the values of `names`, without making their labels: the group of each series,
    /// and the labels of each group (those of `names` that its series have). Groups are in order of first appearance.
    pub fn group_by(&self, names: &[&str]) -> (Vec<u32>, Vec<Labels>) {
        let index = self.shard.index.read();
        let mut wanted: Vec<u32> = names.iter().filter_map(|n| index.name_id(n)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        // Pairs repeat from series to series: ask once for the name of each.
        let mut is_wanted: HashMap<u32, bool> = HashMap::new();
        let mut groups: HashMap<Vec<u32>, u32> = HashMap::new();
        let (mut of_series, mut labels) = (Vec::with_capacity(self.len()), Vec::new());
        let mut key = Vec::with_capacity(names.len());
        for i in 0..self.len() {
            key.clear();
            key.extend(self.pairs_of(i).iter().copied().filter(|p| {
                *is_wanted.entry(*p).or_insert_with(|| wanted.binary_search(&index.name_of_pair(*p)).is_ok())
            }));
            let group = match groups.get(&key) {
                Some(group) => *group,
                None => {
                    labels.push(index.labels(&key));
                    groups.insert(key.clone(), labels.len() as u32 - 1);
                    labels.len() as u32 - 1
                }
            };
            of_series.push(group);
        }
        (of_series, labels)
    }
}
