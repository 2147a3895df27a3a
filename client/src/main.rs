//! `plimsoll-cli`: the commands that talk to a node, without a node in the binary. For laptops and containers
//! that shall not carry a storage engine; `plimsoll` has the same commands beside `start` and `demo`.

use clap::{CommandFactory, Parser};
use plimsoll_client::cli::{Command, Global, completion_script, run};
use std::io::Write;
use std::process::ExitCode;

/// Ask a Plimsoll node: queries, labels, import, export, state.
#[derive(Parser)]
#[command(name = "plimsoll-cli", version)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::Completions(shell) = &arguments.command {
        let script = completion_script(shell, &mut Arguments::command());
        // A pipe that was closed needs no message.
        let _ = std::io::stdout().write_all(&script);
        return ExitCode::SUCCESS;
    }
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments.command, &arguments.global)),
        Err(e) => {
            eprintln!("error: the runtime cannot start: {e}");
            ExitCode::FAILURE
        }
    }
}
