//! What must hold, whatever happens: a file each. Some watch while the faults are there, some look afterwards.

pub mod acknowledged_is_kept;
pub mod minority_refuses;
pub mod nothing_is_invented;
pub mod one_leader_a_term;
pub mod reads_answer;
pub mod replicas_are_equal;
