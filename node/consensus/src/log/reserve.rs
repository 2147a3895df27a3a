//! Room on the disk that is kept for the log alone.
//!
//! Something else may fill the disk within milliseconds, sooner than anybody looks. Votes, and what was on its way, then go
//! where a file lay that only held the room; it is laid down again when there is room for it.

use parking_lot::Mutex;
use raft_engine::env::{DefaultFileSystem, FileSystem, Permission, WriteExt};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two tries to lay the file down again.
const PAUSE: Duration = Duration::from_secs(1);
/// It is laid down only where so many times its size is free: a disk that is nearly full has better use for it.
const FREE_TIMES: u64 = 4;

type Inner = DefaultFileSystem;

/// The file that holds the room.
#[derive(Clone)]
pub(crate) struct Reserve(Arc<Shared>);

struct Shared {
    path: PathBuf,
    bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: bool,
    tried: Option<Instant>,
}

impl Reserve {
    /// `bytes` in a file beside the log in `dir`, if there is room for it.
    pub(crate) fn beside(dir: &Path, bytes: u64) -> Self {
        let reserve =
            Self(Arc::new(Shared { path: dir.with_extension("reserve"), bytes, state: Mutex::default() }));
        reserve.refill();
        reserve
    }

    /// Lays the file down again where there is room; cheap when it is there, or was tried a moment ago.
    pub(crate) fn refill(&self) {
        let mut state = self.0.state.lock();
        if state.held || self.0.bytes == 0 || state.tried.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        state.tried = Some(Instant::now());
        state.held = self.lay().is_ok();
        if !state.held {
            // a part of it would only be in the way
            let _ = fs::remove_file(&self.0.path);
        }
    }

    fn lay(&self) -> io::Result<()> {
        let folder = self.0.path.parent().unwrap_or(Path::new("."));
        let space = rustix::fs::statvfs(folder)?;
        if space.f_bavail.saturating_mul(space.f_frsize) < self.0.bytes.saturating_mul(FREE_TIMES) {
            return Err(ErrorKind::StorageFull.into());
        }
        let file = File::create(&self.0.path)?;
        Ok(rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, self.0.bytes)?)
    }

    /// Gives the room to the log; false when it was given already.
    fn release(&self) -> bool {
        let mut state = self.0.state.lock();
        if !std::mem::take(&mut state.held) {
            return false;
        }
        state.tried = Some(Instant::now());
        tracing::warn!("the disk is full: the log goes on in the {} bytes kept for it", self.0.bytes);
        fs::remove_file(&self.0.path).is_ok()
    }

    /// Does it, and once more in the reserve when the disk is full.
    fn with_room<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match work() {
            Err(e) if e.kind() == ErrorKind::StorageFull && self.release() => work(),
            done => done,
        }
    }
}

/// The file system under the log, with its reserve.
pub(crate) struct Files(pub(crate) Reserve);

/// Writes a file of the log.
pub(crate) struct Writer {
    inner: <Inner as FileSystem>::Writer,
    reserve: Reserve,
}

impl FileSystem for Files {
    type Handle = <Inner as FileSystem>::Handle;
    type Reader = <Inner as FileSystem>::Reader;
    type Writer = Writer;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<Self::Handle> {
        self.0.with_room(|| Inner {}.create(path.as_ref()))
    }

    fn open<P: AsRef<Path>>(&self, path: P, permission: Permission) -> io::Result<Self::Handle> {
        Inner {}.open(path, permission)
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        Inner {}.delete(path)
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> io::Result<()> {
        Inner {}.rename(from, to)
    }

    fn new_reader(&self, handle: Arc<Self::Handle>) -> io::Result<Self::Reader> {
        Inner {}.new_reader(handle)
    }

    fn new_writer(&self, handle: Arc<Self::Handle>) -> io::Result<Self::Writer> {
        Ok(Writer { inner: Inner {}.new_writer(handle)?, reserve: self.0.clone() })
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A write that failed has not moved: the second one begins at the same place.
        self.reserve.with_room(|| self.inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Read for Writer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(into)
    }
}

impl Seek for Writer {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl WriteExt for Writer {
    fn truncate(&mut self, offset: usize) -> io::Result<()> {
        self.inner.truncate(offset)
    }

    fn allocate(&mut self, offset: usize, size: usize) -> io::Result<()> {
        self.inner.allocate(offset, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_takes_one_more_write_where_the_reserve_lay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let reserve = Reserve::beside(&folder.path().join("log"), 1 << 16);
        let path = folder.path().join("log.reserve");
        assert_eq!(fs::metadata(&path).expect("it is laid down").len(), 1 << 16);
        let mut tries = 0;
        let mut write = |full: usize| {
            reserve.with_room(|| {
                tries += 1;
                if tries <= full { Err(io::Error::from(ErrorKind::StorageFull)) } else { Ok(tries) }
            })
        };
        assert_eq!(write(1).expect("the second try has room"), 2);
        assert!(!path.exists());
        assert_eq!(write(9).expect_err("the reserve is spent").kind(), ErrorKind::StorageFull);
        reserve.refill();
        assert!(!path.exists(), "it was tried a moment ago");
        reserve.0.state.lock().tried = None;
        reserve.refill();
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_full_disk_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let reserve = Reserve::beside(&folder.path().join("log"), 1 << 16);
        let failed = reserve.with_room(|| Err::<(), _>(io::Error::from(ErrorKind::PermissionDenied)));
        assert_eq!(failed.expect_err("it failed").kind(), ErrorKind::PermissionDenied);
        assert!(reserve.0.state.lock().held);
    }

    #[test]
    fn a_disk_without_room_for_it_gets_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let reserve = Reserve::beside(&folder.path().join("log"), u64::MAX / 8);
        assert!(!reserve.0.state.lock().held && !folder.path().join("log.reserve").exists());
    }
}
