//! Ways on which a report leaves the node.

use futures::future::BoxFuture;
use plimsoll_analytics::schedule::Target;
use plimsoll_model::Timestamp;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files of one schedule that are kept.
const KEPT: usize = 200;
const POST_LIMIT: Duration = Duration::from_secs(20);

/// A report that is ready.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The schedule's name.
    pub name: String,
    /// When it was due.
    pub due: Timestamp,
    /// A name for a file: the same when it is sent again.
    pub file: String,
    /// What the body is.
    pub content_type: &'static str,
    /// The report.
    pub body: String,
}

/// A way. Notifiers of other kinds join here.
pub trait Channel: Send + Sync {
    /// Takes a report there; answers where it is now, or why it is not.
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<String, String>>;
}

/// Sends `delivery` to `target`.
pub async fn deliver(target: &Target, delivery: Delivery, data: &Path) -> Result<String, String> {
    match target {
        Target::File => Files(data.join("reports")).deliver(delivery).await,
        Target::Webhook(url) => Webhook(url.clone()).deliver(delivery).await,
    }
}

/// A folder of this node.
struct Files(PathBuf);

impl Channel for Files {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<String, String>> {
        let folder = self.0.clone();
        Box::pin(async move {
            let write = move || {
                let path =
                    write_file(&folder, &delivery).map_err(|e| format!("{}: {e}", folder.display()))?;
                if let Err(e) = cut(&folder, &delivery.name) {
                    tracing::warn!(folder = %folder.display(), error = %e, "old reports were not removed");
                }
                Ok(path.display().to_string())
            };
            tokio::task::spawn_blocking(write).await.map_err(|e| e.to_string())?
        })
    }
}

/// Writes beside and renames, so that nobody reads half a report.
fn write_file(folder: &Path, delivery: &Delivery) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let (path, beside) = (folder.join(&delivery.file), folder.join(format!(".{}", delivery.file)));
    let mut file = fs::File::create(&beside)?;
    file.write_all(delivery.body.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, &path)?;
    Ok(path)
}

/// Removes the oldest files of a schedule: their names end with their time.
fn cut(folder: &Path, name: &str) -> std::io::Result<()> {
    let start = format!("{name}-");
    let own = |file: &String| {
        let rest = file.strip_prefix(&start);
        rest.is_some_and(|rest| rest.len() > 16 && rest.as_bytes()[15] == b'Z' && rest.as_bytes()[16] == b'.')
    };
    let all = fs::read_dir(folder)?.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()));
    let mut all: Vec<String> = all.filter(own).collect();
    all.sort();
    let over = all.len().saturating_sub(KEPT);
    all.iter().take(over).try_for_each(|file| fs::remove_file(folder.join(file)))
}

/// An address that reports are posted to. The same report has the same `Idempotency-Key` when it comes again.
struct Webhook(String);

impl Channel for Webhook {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            let headers = [
                ("x-plimsoll-report", delivery.name.clone()),
                ("idempotency-key", format!("{}@{}", delivery.name, delivery.due)),
            ];
            let body = delivery.body.into_bytes();
            plimsoll_client::post(&self.0, &headers, delivery.content_type, body, POST_LIMIT)
                .await
                .map_err(|e| e.to_string())?;
            Ok(format!("posted to {}", self.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(file: &str, body: &str) -> Delivery {
        let (name, file, body) = ("cost".to_owned(), file.to_owned(), body.to_owned());
        Delivery { name, due: 0, file, content_type: "text/csv", body }
    }

    #[tokio::test]
    async fn a_repeat_replaces_the_file_and_old_ones_go() {
        let folder = tempfile::tempdir().expect("a folder");
        for at in 0..KEPT + 3 {
            let file = format!("cost-20260101T{at:06}Z.csv");
            deliver(&Target::File, delivery(&file, "a"), folder.path()).await.expect("written");
        }
        let again = deliver(&Target::File, delivery("cost-20260101T000202Z.csv", "b"), folder.path()).await;
        let path = again.expect("written");
        assert_eq!(fs::read_to_string(path).expect("a file"), "b");
        fs::write(folder.path().join("reports/cost-other-20260101T000000Z.csv"), "x").expect("a file");
        deliver(&Target::File, delivery("cost-20260101T000202Z.csv", "b"), folder.path())
            .await
            .expect("written");
        let names = fs::read_dir(folder.path().join("reports")).expect("a folder").count();
        assert_eq!(names, KEPT + 1, "files of another schedule stay");
    }
}
