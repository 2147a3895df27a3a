use super::refused;
use crate::Error;
use crate::disk::frame;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the folder's layout.
const FORMAT: u32 = 1;

const NAME: &str = "manifest.json";
const UNFINISHED: &str = "manifest.json.new";

/// What a shard's folder in a backup holds. Written last: a folder without it is no backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the folder's layout.
    pub format: u32,
    /// Version of the values in the rows.
    pub values: u8,
    /// Number of the shard.
    pub shard: u16,
    /// The position of the log that the backup covers, in hexadecimal; it means something to its own cluster alone.
    pub position: String,
    /// Rows in all files.
    pub rows: u64,
    /// Bytes of keys and values in all files.
    pub bytes: u64,
    /// The table files, in the order of their keys.
    pub files: Vec<File>,
}

/// A table file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// xxh3-128 of its content, in hexadecimal.
    pub xxh3: String,
}

impl Manifest {
    pub(super) fn new(shard: u16, position: &[u8], rows: u64, bytes: u64, files: Vec<File>) -> Self {
        let position = position.iter().map(|b| format!("{b:02x}")).collect();
        Self { format: FORMAT, values: frame::VERSION, shard, position, rows, bytes, files }
    }

    /// Size of all files.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }

    /// Whether `dir` holds a backup that was finished.
    pub(super) fn exists(dir: &Path) -> bool {
        dir.join(NAME).exists()
    }

    /// Writes it so that it is there whole or not at all, after everything before it is on disk.
    pub(super) fn save(&self, dir: &Path) -> Result<(), Error> {
        use std::io::Write;
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from)?;
        let new = dir.join(UNFINISHED);
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        sync_folder(dir)?;
        std::fs::rename(&new, dir.join(NAME))?;
        sync_folder(dir)
    }

    /// Reads the manifest of the backup in `dir`; looks at no other file.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let text = match std::fs::read(dir.join(NAME)) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(refused(
                    dir,
                    "it has no manifest.json: the backup was not finished, or this is none",
                ));
            }
            Err(e) => return Err(e.into()),
        };
        let damaged =
            |e: serde_json::Error| refused(dir, format!("{NAME} is damaged: {e}; use another backup"));
        let versions: Versions = serde_json::from_slice(&text).map_err(damaged)?;
        if versions.format > FORMAT || versions.values > frame::VERSION {
            return Err(refused(
                dir,
                "it was made by a newer version; restore it with that version of plimsoll",
            ));
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(damaged)?;
        // Names come from a file that anybody may have edited.
        let plain = |f: &File| Path::new(&f.name).file_name().is_some_and(|n| n == f.name.as_str());
        if manifest.files.iter().all(plain) {
            Ok(manifest)
        } else {
            Err(refused(dir, "a file's name is a path"))
        }
    }
}

/// What every version of the manifest has.
#[derive(Deserialize)]
struct Versions {
    format: u32,
    values: u8,
}

fn sync_folder(dir: &Path) -> Result<(), Error> {
    Ok(std::fs::File::open(dir)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = File { name: "rows-0.sst".into(), bytes: 9, xxh3: "0a".into() };
        Manifest::new(3, b"\x01\xff", 2, 7, vec![file])
    }

    #[test]
    fn the_manifest_is_golden() {
        let text = serde_json::to_string(&manifest()).expect("json");
        let golden = r#"{"format":1,"values":1,"shard":3,"position":"01ff","rows":2,"bytes":7,"#;
        assert_eq!(text, format!(r#"{golden}"files":[{{"name":"rows-0.sst","bytes":9,"xxh3":"0a"}}]}}"#));
    }

    #[test]
    fn only_a_manifest_that_is_whole_and_not_newer_and_names_plain_files_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let reason = || match Manifest::load(dir.path()) {
            Err(Error::Backup { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason().contains("not finished"));
        manifest().save(dir.path()).expect("saved");
        assert_eq!(Manifest::load(dir.path()).expect("read"), manifest());
        let mut changed = manifest();
        changed.files[0].name = "../rows-0.sst".into();
        changed.save(dir.path()).expect("saved");
        assert!(reason().contains("path"));
        std::fs::write(dir.path().join(NAME), r#"{"format":2,"values":1,"other":1}"#).expect("written");
        assert!(reason().contains("newer"));
        std::fs::write(dir.path().join(NAME), "{").expect("written");
        reason();
    }
}
