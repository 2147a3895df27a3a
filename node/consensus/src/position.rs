//! The position of a machine in its group's log: what its state covers.
//!
//! Bytes: a version byte (1), then postcard of the last applied log id, the log id of the last membership,
//! its voter sets (two while a change is under way) and its learners. Opaque to machines.

use crate::raft::{LogId, Membership, StoredMembership, log_id, term_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const VERSION: u8 = 1;

/// Last applied log id and the membership that was in force there.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Position {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    last: Option<(u64, u64)>,
    membership_at: Option<(u64, u64)>,
    members: Members,
}

/// A membership without openraft's types.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Members {
    voters: Vec<Vec<u64>>,
    learners: Vec<u64>,
}

impl From<&Membership> for Members {
    fn from(membership: &Membership) -> Self {
        Self {
            voters: membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect(),
            learners: membership.learner_ids().collect(),
        }
    }
}

impl From<Members> for Membership {
    fn from(members: Members) -> Self {
        let voters = members.voters.into_iter().map(BTreeSet::from_iter).collect();
        Membership::new_with_defaults(voters, members.learners)
    }
}

impl Position {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            last: self.last.as_ref().map(pair),
            membership_at: self.membership.log_id().as_ref().map(pair),
            members: self.membership.membership().into(),
        };
        postcard::to_extend(&stored, vec![VERSION]).expect("a vector takes any length")
    }

    /// Decodes a position; `None` when the bytes are not one. No bytes stand for the position of a machine that
    /// was never called.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (&VERSION, body) = bytes.split_first()? else { return None };
        let (stored, rest): (Stored, _) = postcard::take_from_bytes(body).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let at = stored.membership_at.map(|(term, index)| log_id(term, index));
        Some(Self {
            last: stored.last.map(|(term, index)| log_id(term, index)),
            membership: StoredMembership::new(at, stored.members.into()),
        })
    }

    /// Index of the last applied entry.
    pub(crate) fn index(&self) -> Option<u64> {
        self.last.as_ref().map(|id| id.index())
    }
}

fn pair(id: &LogId) -> (u64, u64) {
    (term_of(id), id.index())
}

/// The last entry that a machine's position covers.
pub fn covers(position: &[u8]) -> Option<u64> {
    Position::decode(position)?.index()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn membership(voters: Vec<Vec<u64>>, learners: Vec<u64>) -> Membership {
        Members { voters, learners }.into()
    }

    #[test]
    fn the_bytes_of_a_position_are_frozen() {
        let position = Position {
            last: Some(log_id(3, 300)),
            membership: StoredMembership::new(Some(log_id(1, 2)), membership(vec![vec![1, 2]], vec![9])),
        };
        let bytes = position.encode();
        assert_eq!(bytes, [1, 1, 3, 0xac, 2, 1, 1, 2, 1, 2, 1, 2, 1, 9]);
        assert_eq!(Position::decode(&bytes), Some(position));
    }

    #[test]
    fn foreign_bytes_are_not_a_position() {
        for bytes in [&[1][..], &[2, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0], &[255; 40]] {
            assert_eq!(Position::decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_position_survives_its_bytes(
            last in any::<Option<(u64, u64)>>(),
            at in any::<Option<(u64, u64)>>(),
            voters in prop::collection::vec(prop::collection::btree_set(0u64..20, 1..5), 1..3),
            learners in prop::collection::btree_set(20u64..40, 0..5),
        ) {
            let voters = voters.into_iter().map(|set| set.into_iter().collect()).collect();
            let members = membership(voters, learners.into_iter().collect());
            let id = |pair: Option<(u64, u64)>| pair.map(|(term, index)| log_id(term, index));
            let position = Position { last: id(last), membership: StoredMembership::new(id(at), members) };
            prop_assert_eq!(Position::decode(&position.encode()), Some(position));
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Position::decode(&bytes);
        }
    }
}
