use super::{Command, Global, Outcome, exit::Exit};
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll completions bash > /etc/bash_completion.d/plimsoll
  plimsoll completions zsh > ~/.zfunc/_plimsoll
  plimsoll completions fish > ~/.config/fish/completions/plimsoll.fish";

/// Arguments of `completions`.
#[derive(clap::Args, Clone, Debug)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Kind,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Bash,
    Zsh,
    Fish,
}

/// The commands of this crate as a whole command line, for completions without a node's own commands.
#[derive(Parser)]
#[command(name = "plimsoll")]
struct Plimsoll {
    #[command(flatten)]
    _global: Global,
    #[command(subcommand)]
    _command: Command,
}

impl Completions {
    pub(super) fn run(self) -> Outcome {
        write(self.shell, &mut Plimsoll::command(), &mut std::io::stdout());
        Ok(Exit::Ok)
    }
}

fn write(kind: Kind, command: &mut clap::Command, out: &mut dyn std::io::Write) {
    let shell = match kind {
        Kind::Bash => Shell::Bash,
        Kind::Zsh => Shell::Zsh,
        Kind::Fish => Shell::Fish,
    };
    // The whole script first: the generator panics on a pipe that was closed, a write of ours may fail.
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "plimsoll", &mut script);
    let _ = out.write_all(&script);
}

/// The completions for the whole command line of `command`, which a binary with more commands hands in.
pub fn script(shell: &Completions, command: &mut clap::Command) -> Vec<u8> {
    let mut out = Vec::new();
    write(shell.shell, command, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in [Kind::Bash, Kind::Zsh, Kind::Fish] {
            let bytes = script(&Completions { shell }, &mut Plimsoll::command());
            let text = String::from_utf8(bytes).expect("text");
            for command in ["query", "cardinality", "doctor"] {
                assert!(text.contains(command), "{shell:?} lacks {command}");
            }
        }
    }

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_examples() {
        Plimsoll::command().debug_assert();
        for command in Plimsoll::command().get_subcommands() {
            check_examples(command, false);
        }
    }

    /// Those of a group of commands are for each of them.
    fn check_examples(command: &clap::Command, of_group: bool) {
        let help = command.get_after_help().map(|h| h.to_string()).unwrap_or_default();
        let has = of_group || help.starts_with("Examples:");
        command.get_subcommands().for_each(|sub| check_examples(sub, has));
        assert!(has || command.has_subcommands(), "{} has no examples", command.get_name());
    }
}
