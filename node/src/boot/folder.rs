use anyhow::{Context, bail};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// The data folder, locked for this process.
pub(super) struct Folder {
    path: PathBuf,
    /// Holds the lock until the process ends, however it ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing and locks it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| {
            format!("cannot make the data folder {}: choose another one with --data-dir", path.display())
        })?;
        let lock = File::create(path.join("LOCK"))
            .with_context(|| format!("cannot write into the data folder {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another node runs on the data folder {}: stop it, or give this one its own --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(e)) => {
                Err(e).with_context(|| format!("cannot lock the data folder {}", path.display()))
            }
        }
    }

    /// Where RocksDB lives.
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Where the log of all groups lives.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = Folder::open(dir.path()).expect("a free folder");
        let text = Folder::open(dir.path()).err().expect("it is in use").to_string();
        assert!(text.contains("--data-dir"), "{text}");
        drop(first);
        assert!(Folder::open(dir.path()).is_ok());
    }
}
