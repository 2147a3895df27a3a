//! `plimsoll backup` and `plimsoll restore`: all shards of a cluster as a folder of files, and a new cluster of one
//! node made of them.
//!
//! Owns: the folder of a backup as a whole and the manifest that says that it was finished; how many shards are
//! fetched at a time and how often one is tried; the data folder that a restore makes.
//! Does not own: the files of one shard (`plimsoll_storage::backup`), what a node sends (`http`, `query`), how the
//! restored groups begin (`shard::setup`).
//!
//! Each shard is whole as of a moment after the backup began; the moments of different shards differ. See
//! `docs/formats/backup.md`.

mod error;
mod manifest;
mod progress;
mod restore;
mod take;

pub use error::Error;
pub use manifest::Manifest;
pub use restore::{Restored, restore};
pub use take::{Taken, take};

use clap::Args;
use plimsoll_client::cli::{self, Global};
use progress::{Meter, megabytes};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `plimsoll backup`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  plimsoll backup --to /backups/2026-01-31
  plimsoll backup --to /backups/now --url http://10.0.0.1:7777,http://10.0.0.2:7777")]
pub struct BackupArgs {
    /// Folder for the backup; made when it is missing, and empty otherwise
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// Arguments of `plimsoll restore`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  plimsoll restore --from /backups/2026-01-31 --data-dir d1
  plimsoll start --data-dir d1                               then, with --join for every further node")]
pub struct RestoreArgs {
    /// Folder of the backup
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Data folder of the new cluster's first node; made when it is missing, and empty otherwise
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
}

/// Runs `plimsoll backup`; everything that is to be said has been said when it returns.
pub async fn run_backup(args: BackupArgs, global: &Global) -> ExitCode {
    let client = match global.connect() {
        Ok(client) => client,
        Err(e) => return cli::report(e, global),
    };
    let (began, meter) = (Instant::now(), Meter::new());
    let taken = take(&client, &args.to, &meter).await;
    meter.end();
    match taken {
        Ok(taken) => {
            let manifest = &taken.manifest;
            eprintln!(
                "backed up {} shards of cluster {} to {}: {}, read back and whole{}",
                manifest.shards.len(),
                manifest.cluster,
                args.to.display(),
                megabytes(manifest.file_bytes(), began.elapsed()),
                if taken.repeats > 0 { format!("; begun again: {}", taken.repeats) } else { String::new() },
            );
            ExitCode::SUCCESS
        }
        Err(Error::Client(e)) => cli::report(e, global),
        Err(e) => fail(&e),
    }
}

/// Runs `plimsoll restore`; everything that is to be said has been said when it returns.
pub async fn run_restore(args: RestoreArgs) -> ExitCode {
    let (began, meter) = (Instant::now(), Meter::new());
    let (from, to, shown) = (args.from.clone(), args.data_dir.clone(), meter.clone());
    let restored = tokio::task::spawn_blocking(move || restore(&from, &to, &shown)).await;
    meter.end();
    let restored = match restored {
        Ok(restored) => restored,
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    };
    match restored {
        Ok(restored) => {
            eprintln!(
                "restored {} shards with {} series: {}, from a backup of {}",
                restored.shards,
                restored.series,
                megabytes(restored.bytes, began.elapsed()),
                restored.taken,
            );
            eprintln!("  next: plimsoll start --data-dir {}", args.data_dir.display());
            ExitCode::SUCCESS
        }
        Err(e) => fail(&e),
    }
}

fn fail(e: &Error) -> ExitCode {
    eprintln!("plimsoll: {e}");
    ExitCode::FAILURE
}
