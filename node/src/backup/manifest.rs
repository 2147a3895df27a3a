use super::Error;
use plimsoll_storage::backup;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Version of the folder's layout.
pub(super) const FORMAT: u64 = 1;
/// Its name in the folder of the backup.
pub(super) const NAME: &str = "backup.json";

const UNFINISHED: &str = "backup.json.new";

/// What a backup holds. Written last: a folder without it is no backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the folder's layout.
    pub format: u64,
    /// The cluster that it was taken of.
    pub cluster: String,
    /// When it began (RFC 3339): what was acknowledged before is in it.
    pub began: String,
    /// When the last shard was there.
    pub ended: String,
    /// The version of the program that took it.
    pub version: String,
    /// Rows in all shards.
    pub rows: u64,
    /// Bytes of keys and values in all shards.
    pub bytes: u64,
    /// What the folder of each shard holds, by its number; the same as the manifest in there.
    pub shards: Vec<backup::Manifest>,
}

impl Manifest {
    /// Size of all files.
    pub fn file_bytes(&self) -> u64 {
        self.shards.iter().map(backup::Manifest::file_bytes).sum()
    }

    /// Makes it durable, whole or not at all, after everything before it.
    pub(super) fn save(&self, dir: &Path) -> Result<(), Error> {
        let (new, name) = (dir.join(UNFINISHED), dir.join(NAME));
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from).map_err(Error::io(&name))?;
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            File::open(dir)?.sync_all()?;
            fs::rename(&new, &name)?;
            File::open(dir)?.sync_all()
        };
        write().map_err(Error::io(&name))
    }

    /// The manifest of the backup in `dir`.
    pub(super) fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(Error::Unfinished { path: dir.to_owned() });
            }
            Err(e) => return Err(Error::io(path)(e)),
        };
        let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
        let version: Version = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if version.format > FORMAT {
            let what = path.display().to_string();
            return Err(Error::Newer { what, found: version.format, known: FORMAT });
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        let numbered = manifest.shards.iter().enumerate().all(|(n, shard)| usize::from(shard.shard) == n);
        if manifest.shards.is_empty() || !numbered {
            return Err(damaged("it does not list the shards from 0 on".to_owned()));
        }
        Ok(manifest)
    }
}

/// What every version of the manifest has.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// The folder of one shard in the backup in `dir`.
pub(super) fn shard_folder(dir: &Path, shard: u16) -> PathBuf {
    dir.join(format!("shard-{shard:04}"))
}

/// Makes `dir` where it is missing; refuses one that holds anything.
pub(super) fn empty_folder(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        // the root of a file system of its own has this one
        if entry.map_err(Error::io(dir))?.file_name() != "lost+found" {
            return Err(Error::NotEmpty(dir.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let shard = |shard| backup::Manifest {
            format: 1,
            values: 1,
            shard,
            position: "01ff".into(),
            rows: 2,
            bytes: 7,
            files: Vec::new(),
        };
        Manifest {
            format: FORMAT,
            cluster: "c1".into(),
            began: "2026-01-31T12:00:00Z".into(),
            ended: "2026-01-31T12:00:01Z".into(),
            version: "0.3.0".into(),
            rows: 4,
            bytes: 14,
            shards: vec![shard(0), shard(1)],
        }
    }

    #[test]
    fn the_manifest_is_golden() {
        let shard = |n| {
            format!(
                r#"{{"format":1,"values":1,"shard":{n},"position":"01ff","rows":2,"bytes":7,"files":[]}}"#
            )
        };
        let golden = format!(
            r#"{{"format":1,"cluster":"c1","began":"2026-01-31T12:00:00Z","ended":"2026-01-31T12:00:01Z","version":"0.3.0","rows":4,"bytes":14,"shards":[{},{}]}}"#,
            shard(0),
            shard(1)
        );
        assert_eq!(serde_json::to_string(&manifest()).expect("json"), golden);
    }

    #[test]
    fn only_a_manifest_that_is_whole_and_not_newer_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(matches!(Manifest::load(dir.path()), Err(Error::Unfinished { .. })));
        manifest().save(dir.path()).expect("saved");
        assert_eq!(Manifest::load(dir.path()).expect("read"), manifest());
        let mut gap = manifest();
        gap.shards.remove(0);
        gap.save(dir.path()).expect("saved");
        assert!(matches!(Manifest::load(dir.path()), Err(Error::Damaged { .. })));
        fs::write(dir.path().join(NAME), r#"{"format":2,"other":1}"#).expect("written");
        assert!(matches!(Manifest::load(dir.path()), Err(Error::Newer { .. })));
        fs::write(dir.path().join(NAME), "{").expect("written");
        assert!(matches!(Manifest::load(dir.path()), Err(Error::Damaged { .. })));
        assert!(matches!(empty_folder(dir.path()), Err(Error::NotEmpty(_))));
    }
}
