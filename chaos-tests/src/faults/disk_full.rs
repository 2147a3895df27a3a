//! The disk of a node is small and something else fills it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, mounted for one node. Needs root; goes with the value.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of `mib` MiB below `folder`.
    pub fn mount(folder: &Path, at: usize, mib: u32) -> Self {
        let path = folder.join(format!("disk-{at}"));
        fs::create_dir_all(&path).expect("a temporary folder");
        let size = format!("size={mib}m");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).status();
        assert!(done.is_ok_and(|status| status.success()), "mounting a small disk needs root");
        Self(path)
    }

    /// Where the node may keep its data.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.0.join("ballast")).expect("an empty file always fits");
        // To the end, in pieces that become smaller; the error is what we want.
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0u8; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    /// Gives the space back.
    pub fn free(&self) {
        // Fails where it was not filled.
        let _ = fs::remove_file(self.0.join("ballast"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
