//! What is made of files, and made anew when they change.

use super::Error;
use parking_lot::{Mutex, RwLock};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// No certificate or key is near this size.
const MOST_BYTES: u64 = 1 << 20;

/// Makes a value of the content of files.
type Make<T> = fn(&[(&Path, Vec<u8>)]) -> Result<T, Error>;

/// A value made of files. All of them are read anew when one of them changes: a certificate and its key belong together.
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    seen: Mutex<Vec<Option<Stamp>>>,
    current: RwLock<Arc<T>>,
}

/// What changes when a file does; the inode does when another file takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl<T> Watched<T> {
    /// Reads `files` for the first time.
    pub fn open(files: Vec<PathBuf>, make: Make<T>) -> Result<Self, Error> {
        // before the files are read: what changes while they are is seen as a change
        let seen = Mutex::new(stamps(&files));
        let current = RwLock::new(Arc::new(read(&files, make)?));
        Ok(Self { files, make, seen, current })
    }

    /// What the files said when they were last right.
    pub fn get(&self) -> Arc<T> {
        self.current.read().clone()
    }

    /// Takes up a change. What is wrong with it is logged once, and the old value stays.
    pub fn refresh(&self) {
        let now = stamps(&self.files);
        let mut seen = self.seen.lock();
        if *seen == now {
            return;
        }
        *seen = now;
        let names =
            || self.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        match read(&self.files, self.make) {
            Ok(value) => {
                *self.current.write() = Arc::new(value);
                metrics::counter!("plimsoll_access_reloads_total", "outcome" => "taken").increment(1);
                tracing::info!(files = names(), "changed files are in use for new connections");
            }
            Err(e) => {
                metrics::counter!("plimsoll_access_reloads_total", "outcome" => "refused").increment(1);
                tracing::error!(error = %e, files = names(), "changed files cannot be used; the old ones stay in use");
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| {
        let meta = fs::metadata(path).ok()?;
        Some(Stamp { modified: meta.modified().ok(), bytes: meta.len(), inode: meta.ino() })
    };
    files.iter().map(stamp).collect()
}

fn read<T>(files: &[PathBuf], make: Make<T>) -> Result<T, Error> {
    let content = |path: &PathBuf| {
        let bytes = fs::metadata(path).map(|meta| meta.len());
        if bytes.is_ok_and(|bytes| bytes > MOST_BYTES) {
            let reason = "is far too large for a certificate, a key or a token".to_owned();
            return Err(Error::Unusable { path: path.clone(), reason });
        }
        fs::read(path).map_err(|source| Error::File { path: path.clone(), source })
    };
    let contents = files.iter().map(content).collect::<Result<Vec<_>, _>>()?;
    let named: Vec<(&Path, Vec<u8>)> = files.iter().map(PathBuf::as_path).zip(contents).collect();
    make(&named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(files: &[(&Path, Vec<u8>)]) -> Result<String, Error> {
        let (path, bytes) = &files[0];
        let reason = "is no text".to_owned();
        String::from_utf8(bytes.clone()).map_err(|_| Error::Unusable { path: path.to_path_buf(), reason })
    }

    #[test]
    fn a_changed_file_is_taken_up_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        assert!(matches!(Watched::open(vec![path.clone()], text), Err(Error::File { .. })));
        fs::write(&path, "one").expect("a file of ours");
        let watched = Watched::open(vec![path.clone()], text).expect("it is there");
        watched.refresh();
        assert_eq!(*watched.get(), "one");
        fs::write(&path, "the second").expect("a file of ours");
        watched.refresh();
        assert_eq!(*watched.get(), "the second");
        fs::write(&path, [0xff, 0xfe]).expect("a file of ours");
        watched.refresh();
        assert_eq!(*watched.get(), "the second", "a broken file leaves the old value");
        fs::remove_file(&path).expect("a file of ours");
        watched.refresh();
        assert_eq!(*watched.get(), "the second", "so does a missing one");
        // another file of the same size in its place, as tools that write and rename do it
        fs::write(folder.path().join("new"), "the third!").expect("a file of ours");
        fs::rename(folder.path().join("new"), &path).expect("a file of ours");
        watched.refresh();
        assert_eq!(*watched.get(), "the third!");
    }
}
