use super::super::exit::Problem;
use std::fs;
use std::path::PathBuf;

/// How far an import came, in a file, so that the same command goes on there.
pub(super) struct State {
    file: Option<PathBuf>,
    source: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Wire {
    source: String,
    position: u64,
    #[serde(default)]
    done: bool,
}

/// Where to begin.
pub(super) enum Begin {
    At(u64),
    /// It came to its end the last time.
    Done,
}

impl State {
    pub fn new(file: Option<PathBuf>, source: String) -> Self {
        Self { file, source }
    }

    /// What the file says, if it is there.
    pub fn read(&self) -> Result<Option<Begin>, Problem> {
        let Some(path) = &self.file else { return Ok(None) };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Problem::usage(format!("cannot read {}: {e}", path.display()))),
        };
        let wire: Wire = serde_json::from_slice(&text).map_err(|e| {
            Problem::usage(format!("{} is no state of an import: {e}", path.display()))
                .next("name another file with --state, or delete this one to begin anew")
        })?;
        if wire.source != self.source {
            let text = format!("{} is the state of an import from {}", path.display(), wire.source);
            return Err(Problem::usage(text).next("name another file with --state"));
        }
        Ok(Some(if wire.done { Begin::Done } else { Begin::At(wire.position) }))
    }

    /// Remembers that everything before `position` is stored.
    pub fn write(&self, position: u64, done: bool) -> Result<(), Problem> {
        let Some(path) = &self.file else { return Ok(()) };
        let wire = Wire { source: self.source.clone(), position, done };
        let mut text = serde_json::to_vec(&wire).map_err(|e| Problem::fail(e.to_string()))?;
        text.push(b'\n');
        // Renamed into place: a crash leaves the old state or the new one.
        let mut draft = path.clone().into_os_string();
        draft.push(".new");
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
        written.map_err(|e| Problem::fail(format!("cannot write {}: {e}", path.display())))
    }
}
