use plimsoll_model::Fault;
use std::path::PathBuf;

/// Why there is no backup, or no restored folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder to write into is in use.
    #[error("{} is not empty: name a folder that is empty or that does not exist yet", .0.display())]
    NotEmpty(PathBuf),
    /// There is no backup that was finished.
    #[error("{} holds no finished backup: there is no {} in it; use another backup", path.display(), super::manifest::NAME)]
    Unfinished {
        /// The folder that was named.
        path: PathBuf,
    },
    /// A file of a backup is not what was written.
    #[error("{}: {reason}; use another backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version made it.
    #[error("{what} has format {found}, this program reads up to {known}: use a newer version of plimsoll")]
    Newer {
        /// What has the format.
        what: String,
        /// Its format.
        found: u64,
        /// The newest one that is known.
        known: u64,
    },
    /// The nodes did not give what was asked for.
    #[error(transparent)]
    Client(#[from] plimsoll_client::Error),
    /// A shard's files could not be written or read.
    #[error(transparent)]
    Storage(#[from] plimsoll_storage::Error),
    /// A file or folder failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The data folder of the new node could not be made.
    #[error("{0:#}")]
    Folder(anyhow::Error),
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Client(e) => e.fault(),
            Self::Storage(e) => e.fault(),
            Self::NotEmpty(_) | Self::Unfinished { .. } | Self::Newer { .. } | Self::Damaged { .. } => {
                Fault::Asker
            }
            Self::Io { .. } | Self::Folder(_) => Fault::Ours,
        }
    }

    /// Whether the shard may come whole when it is asked for again.
    pub(super) fn is_worth_repeating(&self) -> bool {
        match self {
            // a node that fails in the middle may be one that is going down
            Self::Client(e) => e.fault() != Fault::Asker,
            // pieces that do not fit together: the stream was damaged
            Self::Storage(e) => matches!(e, plimsoll_storage::Error::Snapshot { .. }),
            _ => false,
        }
    }

    /// For `map_err` of what the system does with `path`.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
