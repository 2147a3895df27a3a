//! Keeps looking for the targets of a job: in files and at servers. What was found last holds until something new is.

use super::Parts;
use super::fetch::Door;
use plimsoll_scrape::{FileSd, Group, HttpSd, Job, groups_from_json, groups_from_yaml};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

/// How often files are looked at; only changed ones are read.
const LOOK: Duration = Duration::from_secs(2);
/// Bytes of a file or an answer.
const BYTES: u64 = 32 << 20;
/// Time that a server of discovery gets.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The discovery of one job. Ends with the value.
pub(super) struct Discovery {
    found: Arc<Table>,
    seen: u64,
    _tasks: JoinSet<()>,
}

/// Groups by where they were found.
#[derive(Default)]
struct Table {
    groups: parking_lot::Mutex<BTreeMap<usize, Vec<Group>>>,
    version: AtomicU64,
}

impl Table {
    fn put(&self, place: usize, groups: Vec<Group>) {
        let mut all = self.groups.lock();
        if all.get(&place) != Some(&groups) {
            all.insert(place, groups);
            self.version.fetch_add(1, Relaxed);
        }
    }
}

impl Discovery {
    /// Begins to look. What `before` had found in the same places holds until something new is found there.
    pub fn start(job: &Arc<Job>, parts: &Arc<Parts>, before: Option<(&Job, &Self)>) -> Self {
        let found = Arc::<Table>::default();
        found.put(0, job.groups.clone());
        let mut tasks = JoinSet::new();
        let mut place = 0;
        let keep = |place: usize, old: Option<usize>| {
            let old = old.and_then(|at| before?.1.found.groups.lock().get(&at).cloned());
            old.into_iter().for_each(|groups| found.put(place, groups));
        };
        for sd in job.file_sd.iter().cloned() {
            place += 1;
            keep(place, before.and_then(|(old, _)| Some(old.file_sd.iter().position(|o| *o == sd)? + 1)));
            tasks.spawn(watch_files(sd, job.name.clone(), place, found.clone()));
        }
        for sd in job.http_sd.iter().cloned() {
            place += 1;
            keep(
                place,
                before.and_then(|(old, _)| {
                    Some(old.http_sd.iter().position(|o| *o == sd)? + 1 + old.file_sd.len())
                }),
            );
            tasks.spawn(watch_server(sd, job.name.clone(), place, found.clone(), parts.clone()));
        }
        Self { found, seen: 0, _tasks: tasks }
    }

    /// All groups, if anything has changed since this was asked last.
    pub fn news(&mut self) -> Option<Vec<Group>> {
        let version = self.found.version.load(Relaxed);
        if version == std::mem::replace(&mut self.seen, version) {
            return None;
        }
        Some(self.found.groups.lock().values().flatten().cloned().collect())
    }
}

fn failed(kind: &'static str, job: &str, place: &str, error: &str) {
    metrics::counter!("plimsoll_scrape_discovery_failures_total", "kind" => kind).increment(1);
    tracing::warn!(job, place, error, "targets cannot be read; those that were found before go on");
}

async fn watch_files(sd: FileSd, job: String, place: usize, found: Arc<Table>) {
    let mut known = Known::default();
    let refresh = Duration::from_millis(sd.refresh.ms().unsigned_abs());
    loop {
        let patterns = sd.files.clone();
        let name = job.clone();
        // files may lie on a file system that does not answer
        let looked = tokio::task::spawn_blocking(move || {
            let changed = known.look(&patterns, refresh, &name);
            (known, changed)
        });
        let Ok((back, changed)) = looked.await else { return };
        known = back;
        if changed {
            found.put(place, known.files.values().flat_map(|file| file.groups.clone()).collect());
        }
        tokio::time::sleep(LOOK.min(refresh)).await;
    }
}

#[derive(Default)]
struct Known {
    files: BTreeMap<PathBuf, KnownFile>,
}

struct KnownFile {
    state: Option<(SystemTime, u64)>,
    read: Instant,
    groups: Vec<Group>,
}

impl Known {
    /// Reads files that are new or have changed, or were read long ago; whether any was read or is gone.
    fn look(&mut self, patterns: &[PathBuf], refresh: Duration, job: &str) -> bool {
        let there: Vec<PathBuf> = patterns.iter().flat_map(|pattern| expand(pattern)).collect();
        let before = self.files.len();
        self.files.retain(|path, _| there.contains(path));
        let mut changed = self.files.len() != before;
        for path in there {
            let state = std::fs::metadata(&path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
            let fresh = |file: &KnownFile| file.state == state && file.read.elapsed() < refresh;
            if self.files.get(&path).is_some_and(fresh) {
                continue;
            }
            let groups = match read(&path) {
                Ok(groups) => groups,
                Err(e) => {
                    failed("file", job, &path.display().to_string(), &e);
                    self.files.get(&path).map(|file| file.groups.clone()).unwrap_or_default()
                }
            };
            changed = true;
            self.files.insert(path, KnownFile { state, read: Instant::now(), groups });
        }
        changed
    }
}

/// The files that a path with a `*` in its last part names, in order.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((front, back)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    let folder = pattern.parent().unwrap_or(Path::new("."));
    let fits = |found: &str| {
        found.len() >= front.len() + back.len() && found.starts_with(front) && found.ends_with(back)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|e| fits(&e.file_name().to_string_lossy())).map(|e| e.path()).collect();
    found.sort();
    found
}

fn read(path: &Path) -> Result<Vec<Group>, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > BYTES {
        return Err(format!("{size} bytes are over the limit of {BYTES}"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let source = path.display().to_string();
    if path.extension().is_some_and(|end| end == "json") {
        groups_from_json(&text, "__meta_filepath", &source)
    } else {
        groups_from_yaml(&text, "__meta_filepath", &source)
    }
}

async fn watch_server(sd: HttpSd, job: String, place: usize, found: Arc<Table>, parts: Arc<Parts>) {
    let refresh = Duration::from_millis(sd.refresh.ms().unsigned_abs()).max(Duration::from_secs(1));
    let seconds = refresh.as_secs_f64().to_string();
    let door = Door::new(sd.http.clone());
    let headers =
        [("accept", "application/json"), ("x-prometheus-refresh-interval-seconds", seconds.as_str())];
    loop {
        door.refresh().await;
        let asked = async {
            let answer =
                door.get(&sd.url, &headers, BYTES as usize, &parts.bytes).await.map_err(|e| e.text)?;
            if !answer.content_type.starts_with("application/json") {
                return Err(format!("the answer is {:?}, not application/json", answer.content_type));
            }
            let text = std::str::from_utf8(&answer.body).map_err(|e| e.to_string())?;
            groups_from_json(text, "__meta_url", &sd.url)
        };
        match tokio::time::timeout(TIMEOUT.min(refresh), asked).await {
            Ok(Ok(groups)) => found.put(place, groups),
            Ok(Err(e)) => failed("http", &job, &sd.url, &e),
            Err(_) => failed("http", &job, &sd.url, "no answer in time"),
        }
        tokio::time::sleep(refresh).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_when_they_change_and_keep_their_targets_while_they_are_broken() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("b.yml"), "- targets: [b:1]").expect("a file");
        std::fs::write(at("a.yml"), "- targets: [a:1]").expect("a file");
        std::fs::write(at("c.json"), "[]").expect("a file");
        let patterns = [at("*.yml")];
        let hour = Duration::from_secs(3600);
        let mut known = Known::default();
        assert!(known.look(&patterns, hour, "j"));
        let targets = |known: &Known| -> Vec<String> {
            known.files.values().flat_map(|f| &f.groups).flat_map(|g| g.targets.clone()).collect()
        };
        assert_eq!(targets(&known), ["a:1", "b:1"]);
        assert!(!known.look(&patterns, hour, "j"), "nothing has changed");
        std::fs::write(at("a.yml"), "- targets: [a:1, a").expect("a file");
        known.look(&patterns, hour, "j");
        assert_eq!(targets(&known), ["a:1", "b:1"], "a broken file changes nothing");
        std::fs::write(at("a.yml"), "- targets: [a:1, a:2]").expect("a file");
        std::fs::remove_file(at("b.yml")).expect("a file to remove");
        assert!(known.look(&patterns, hour, "j"));
        assert_eq!(targets(&known), ["a:1", "a:2"]);
    }
}
