//! What happens to a cluster: a file each.

pub mod clock;
pub mod damage;
pub mod disk_full;
pub mod kill;
pub mod kill_all;
pub mod partition;
pub mod pause;
