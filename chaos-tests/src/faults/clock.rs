//! A node's wall clock jumps (libfaketime); its monotonic clock does not.

use plimsoll_tests::plimsoll::Place;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Debian puts the library.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The library, if it is installed.
pub fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|path| Path::new(path).is_file())
}

/// A clock that can be set while its node runs.
#[derive(Clone, Debug)]
pub struct Clock(PathBuf);

impl Clock {
    /// A clock that is right, kept in `folder`.
    pub fn new(folder: &Path, at: usize) -> Self {
        let clock = Self(folder.join(format!("clock-{at}")));
        clock.set("+0");
        clock
    }

    /// A place whose node goes by this clock.
    pub fn place(&self) -> Place {
        let library = library().expect("asked before").to_owned();
        let environment = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Place {
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Place::default()
        }
    }

    /// Sets it so far off, such as `+5m`, `-5m`, `+30d`; takes effect within a second.
    pub fn set(&self, offset: &str) {
        fs::write(&self.0, format!("{offset}\n")).expect("a temporary folder");
    }
}
