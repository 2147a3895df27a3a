use plimsoll_model::Timestamp;
use std::collections::BTreeSet;

/// Sessions of a source, by the time when they were seen first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sessions(BTreeSet<(Timestamp, String)>);

impl Sessions {
    pub fn add(&mut self, start: Timestamp, session: &str) {
        if self.start(session).is_none_or(|known| known > start) {
            self.0.retain(|(_, s)| s != session);
            self.0.insert((start, session.to_owned()));
        }
    }

    pub fn start(&self, session: &str) -> Option<Timestamp> {
        self.0.iter().find(|(_, s)| s == session).map(|(start, _)| *start)
    }

    /// Which sessions keep their own series at some time: asked often, so made once.
    pub fn ranks(&self) -> Ranks<'_> {
        let order: Vec<_> = self.0.iter().map(|(start, s)| (*start, s.as_str())).collect();
        let place = order.iter().enumerate().map(|(at, (_, s))| (*s, at)).collect();
        Ranks { order, place }
    }

    /// Forgets all but the `keep` newest of those that began by `at`.
    pub fn settle(&mut self, at: Timestamp, keep: usize) {
        self.0.retain(|(start, _)| *start <= at);
        while self.0.len() > keep {
            self.0.pop_first();
        }
    }
}

/// See [`Sessions::ranks`].
pub(super) struct Ranks<'a> {
    order: Vec<(Timestamp, &'a str)>,
    place: std::collections::HashMap<&'a str, usize>,
}

impl Ranks<'_> {
    /// Whether `session` is one of the `keep` newest at `at`.
    pub fn keeps(&self, session: &str, at: Timestamp, keep: usize) -> bool {
        let Some(place) = self.place.get(session) else { return false };
        let begun = self.order.partition_point(|(start, _)| *start <= at);
        begun.saturating_sub(*place) <= keep
    }
}
