//! How another terminal talks to a running demo: a unix socket in the demo's folder, and a file at a well-known place
//! that tells where the socket is.
//!
//! A request is a line ([`Action::line`]), the answer is text until the end of the stream; it begins with `error: ` when
//! nothing was done.

use super::args::Action;
use anyhow::{Context, bail, ensure};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

/// Longest request.
const LINE_BYTES: u64 = 256;
/// Who connects speaks within this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests that wait for the demo.
const WAITING: usize = 8;
/// How long an answer may take: a node that starts replays its log first.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// `sun_path` holds 108 bytes (unix(7)).
const SOCKET_PATH_BYTES: usize = 100;

/// What the demo was asked, and where the answer goes.
pub struct Asked {
    /// The request.
    pub action: Action,
    /// Takes the answer; dropped, it says that the demo ends.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// The socket of a running demo; dropped, it is gone.
pub struct Control {
    socket: PathBuf,
    pointer: PathBuf,
    asked: mpsc::Receiver<Asked>,
}

impl Control {
    /// Listens in `folder`.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let socket = socket_path(folder);
        // of a demo that was killed: the folder is this demo's now, its nodes hold the locks
        let _ = fs::remove_file(&socket);
        let listener =
            UnixListener::bind(&socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
        let pointer = pointer_path();
        write_pointer(&pointer, &socket).with_context(|| format!("cannot write {}", pointer.display()))?;
        let (sender, asked) = mpsc::channel(WAITING);
        tokio::spawn(accept(listener, sender));
        Ok(Self { socket, pointer, asked })
    }

    /// The next request.
    pub async fn next(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        // a later demo may have put its own there
        if read_pointer(&self.pointer).is_ok_and(|socket| socket == self.socket) {
            let _ = fs::remove_file(&self.pointer);
        }
    }
}

async fn accept(listener: UnixListener, sender: mpsc::Sender<Asked>) {
    while let Ok((stream, _)) = listener.accept().await {
        // a full channel is a crowd of terminals: the next one waits for its turn
        let Ok(permit) = sender.clone().reserve_owned().await else { return };
        tokio::spawn(async move {
            // who has left needs no answer
            let _ = tokio::time::timeout(PATIENCE + ANSWER_LIMIT, serve(stream, permit)).await;
        });
    }
}

async fn serve(stream: UnixStream, permit: mpsc::OwnedPermit<Asked>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LINE_BYTES));
    let spoken = tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await;
    spoken.map_err(|_| ErrorKind::TimedOut)??;
    let reply = match Action::parse(&line) {
        None => Err("this demo does not know that request: is it of another version?".to_owned()),
        Some(action) => {
            let (answer, answered) = oneshot::channel();
            permit.send(Asked { action, answer });
            answered.await.unwrap_or_else(|_| Ok("the demo has ended".to_owned()))
        }
    };
    let text = reply.unwrap_or_else(|e| format!("error: {e}"));
    write.write_all(text.as_bytes()).await
}

/// Tells the running demo, that of `folder` or the one that was started last, to do `action`; answers what it says.
pub fn ask(folder: Option<&Path>, action: &Action) -> anyhow::Result<String> {
    let none = || "no demo runs here; start one with `plimsoll demo`".to_owned();
    let socket = match folder {
        Some(folder) => socket_path(folder),
        None => read_pointer(&pointer_path()).with_context(none)?,
    };
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).with_context(none)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(action.line().as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("the demo ended before it answered")?;
    match text.strip_prefix("error: ") {
        Some(reason) => bail!("{reason}"),
        None => Ok(text),
    }
}

fn socket_path(folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let path = folder.join("control.sock");
    if path.as_os_str().len() <= SOCKET_PATH_BYTES {
        return path;
    }
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    runtime_folder().join(format!("plimsoll-demo-{:016x}.sock", hasher.finish()))
}

fn runtime_folder() -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    own.unwrap_or_else(std::env::temp_dir)
}

fn pointer_path() -> PathBuf {
    runtime_folder().join(format!("plimsoll-demo-{}", rustix::process::getuid().as_raw()))
}

fn write_pointer(pointer: &Path, socket: &Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let new = pointer.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(socket.as_os_str().as_bytes())?;
    fs::rename(&new, pointer)
}

fn read_pointer(pointer: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    // the folder for temporary files is everybody's: what another user put there is not to be followed
    let meta = fs::symlink_metadata(pointer)?;
    let own = meta.is_file() && meta.uid() == rustix::process::getuid().as_raw();
    ensure!(own, "{} is not yours", pointer.display());
    Ok(PathBuf::from(std::ffi::OsString::from_vec(fs::read(pointer)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_answered_and_the_socket_goes_with_the_demo() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut control = Control::open(folder.path()).expect("a socket");
        let path = folder.path().to_owned();
        let terminal = tokio::task::spawn_blocking(move || ask(Some(&path), &Action::Kill { node: 2 }));
        let asked = control.next().await.expect("a request");
        assert_eq!(asked.action, Action::Kill { node: 2 });
        asked.answer.send(Ok("node 2 is dead".to_owned())).expect("somebody waits");
        let text = terminal.await.expect("no panic").expect("an answer");
        assert_eq!(text, "node 2 is dead");
        drop(control);
        let gone = ask(Some(folder.path()), &Action::Add).expect_err("nobody listens").to_string();
        assert!(gone.contains("start one with `plimsoll demo`"), "{gone}");
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_with_its_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut control = Control::open(folder.path()).expect("a socket");
        let path = folder.path().to_owned();
        let terminal = tokio::task::spawn_blocking(move || ask(Some(&path), &Action::Start { node: 1 }));
        let asked = control.next().await.expect("a request");
        asked.answer.send(Err("node 1 runs already".to_owned())).expect("somebody waits");
        let e = terminal.await.expect("no panic").expect_err("a refusal");
        assert_eq!(e.to_string(), "node 1 runs already");
    }
}
