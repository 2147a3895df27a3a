use super::Failure;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs the program of the node's settings with the message on its standard input. It ends when its time is up.
pub(super) async fn run(command: &[String], message: Vec<u8>) -> Result<(), Failure> {
    let Some((program, args)) = command.split_first() else {
        return Err(Failure::Never("this node's settings name no program: set rules.exec".to_owned()));
    };
    let again = |e: std::io::Error| Failure::Again(format!("{program}: {e}"));
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(again)?;
    if let Some(mut input) = child.stdin.take() {
        // a program that does not read its input closes it
        let _ = input.write_all(&message).await;
    }
    let status = child.wait().await.map_err(again)?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::Again(format!("{program} ended with {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_gets_the_message_and_says_whether_it_took_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("out");
        let run = |script: String| async move {
            run(&["sh".to_owned(), "-c".to_owned(), script], b"hello".to_vec()).await
        };
        assert_eq!(run(format!("cat > {}", file.display())).await, Ok(()));
        assert_eq!(std::fs::read(&file).expect("it was written"), b"hello");
        assert!(matches!(run("exit 3".to_owned()).await, Err(Failure::Again(_))));
        assert!(matches!(super::run(&[], Vec::new()).await, Err(Failure::Never(_))));
    }
}
