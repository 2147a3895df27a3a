//! The `plimsoll` command: runs nodes, and asks them.

use clap::{CommandFactory, Parser, Subcommand};
use plimsoll_client::cli;
use plimsoll_node::backup::{self, BackupArgs, RestoreArgs};
use plimsoll_node::boot::StartArgs;
use plimsoll_node::demo::DemoArgs;
use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A metrics store for services and agent loops: Prometheus in, PromQL out, nothing acknowledged is lost.
#[derive(Parser)]
#[command(name = "plimsoll", version, max_term_width = 110)]
#[command(after_help = "Examples:
  plimsoll demo                              three nodes with live agent traffic, in one terminal
  plimsoll start --data-dir d1               a real node on 127.0.0.1:7777
  plimsoll query 'sum by (job) (up)'         ask it
  plimsoll range 'rate(http_requests_total[5m])' --start now-1h
  plimsoll doctor                            what is wrong, and the command that mends it")]
struct Command {
    #[command(flatten)]
    global: cli::Global,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Run a node.
    Start(StartArgs),
    /// Run three nodes with simulated agent loops and this host's own metrics, and break them.
    Demo(DemoArgs),
    /// Write all samples of the cluster into a folder of files, while it runs.
    Backup(BackupArgs),
    /// Make the data folder of a new cluster from a backup.
    Restore(RestoreArgs),
    #[command(flatten)]
    Ask(cli::Command),
}

/// Gives freed pages back after a tenth of a second instead of mimalloc's second: a compaction's memory is gone
/// before the next one's is needed (189 to 156 MB at the peak of 7.3 M samples and a forced compaction).
fn frugal_heap() {
    /// `mi_option_purge_delay` of mimalloc 3, which the bindings do not name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: not thread safe, and called before there is a second thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 100) }
}

fn main() -> ExitCode {
    let command = Command::parse();
    frugal_heap();
    // huge pages under the heap cost tens of MB at rest and measured no gain; a kernel without them is fine too
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("cannot start the runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let runs_node = matches!(command.what, What::Start(_));
    let outcome = runtime.block_on(async {
        match command.what {
            What::Start(args) => plimsoll_node::boot::start(args).await,
            What::Demo(args) => plimsoll_node::demo::run(args).await,
            What::Backup(args) => return backup::run_backup(args, &command.global).await,
            What::Restore(args) => return backup::run_restore(args).await,
            // the whole command line, with the commands above
            What::Ask(cli::Command::Completions(shell)) => {
                let script = cli::completion_script(&shell, &mut Command::command());
                std::io::stdout().write_all(&script).map_err(anyhow::Error::from)
            }
            What::Ask(ask) => return cli::run(ask, &command.global).await,
        }
        .map_or_else(
            |e| {
                eprintln!("plimsoll: {e:#}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        )
    });
    // a query that still runs on the blocking pool must not hold up the end
    runtime.shutdown_background();
    if runs_node {
        let failed = outcome != ExitCode::SUCCESS;
        // nothing is left to be written; stdout may be closed
        let _ = std::io::stdout().flush();
        // SAFETY: ends the process. A return would run C++ destructors beside RocksDB's threads, which aborts.
        unsafe { libc::_exit(i32::from(failed)) }
    }
    outcome
}
