use anyhow::{Context, bail};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// File in a folder that a restore has begun to fill and not finished.
const RESTORING: &str = "RESTORING";

/// The data folder, locked for this process.
pub(crate) struct Folder {
    path: PathBuf,
    /// Holds the lock until the process ends, however it ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing and locks it. Refuses one that was restored in part.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let folder = Self::lock(path)?;
        if path.join(RESTORING).exists() {
            bail!(
                "a restore into the data folder {} was not finished: delete the folder and restore again",
                path.display()
            );
        }
        Ok(folder)
    }

    /// Makes and locks a folder that a backup is restored into; until [`Folder::end_restore`] no node starts on it.
    pub fn begin_restore(path: &Path) -> anyhow::Result<Self> {
        let folder = Self::lock(path)?;
        let marked = File::create(path.join(RESTORING)).and_then(|file| file.sync_all());
        marked
            .and_then(|()| File::open(path)?.sync_all())
            .with_context(|| format!("cannot write into the data folder {}", path.display()))?;
        Ok(folder)
    }

    /// From now on a node may start on the folder.
    pub fn end_restore(&self) -> anyhow::Result<()> {
        let removed = fs::remove_file(self.path.join(RESTORING));
        removed
            .and_then(|()| File::open(&self.path)?.sync_all())
            .with_context(|| format!("cannot finish the data folder {}", self.path.display()))
    }

    /// Empties a folder whose restore failed; one that cannot be emptied stays marked.
    pub fn discard(&self) -> std::io::Result<()> {
        fs::remove_dir_all(self.store())?;
        fs::remove_file(self.path.join(RESTORING))?;
        fs::remove_file(self.path.join("LOCK"))
    }

    fn lock(path: &Path) -> anyhow::Result<Self> {
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

    #[test]
    fn a_folder_that_was_restored_in_part_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let restoring = Folder::begin_restore(dir.path()).expect("an empty folder");
        drop(restoring);
        let text = Folder::open(dir.path()).err().expect("it is not finished").to_string();
        assert!(text.contains("restore again"), "{text}");
        Folder::begin_restore(dir.path()).expect("an empty folder").end_restore().expect("finished");
        assert!(Folder::open(dir.path()).is_ok());
    }
}
