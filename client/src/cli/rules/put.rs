use super::read;
use crate::cli::{Global, Outcome, escape::terminal, exit::Exit, exit::Problem};
use plimsoll_rules::file;
use std::io::Read;
use std::path::Path;

/// Puts every group of a file.
pub(super) async fn run(global: &Global, path: &Path) -> Outcome {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        read(path)?
    };
    // the whole file is checked before anything is put
    let groups = match file::parse(&text) {
        Ok(groups) => groups,
        Err(e) => {
            e.0.iter().for_each(|problem| eprintln!("{}", terminal(&problem.to_string())));
            return Ok(Exit::Lint);
        }
    };
    if groups.is_empty() {
        return Err(Problem::fail("the file has no groups"));
    }
    let client = global.client()?;
    for group in &groups {
        let part = file::part(&text, &group.name).ok_or_else(|| Problem::fail("the group is lost"))?;
        client.put_rule_group(&group.name, &part).await?;
        eprintln!("group {}: {} rules", terminal(&group.name), group.rules.len());
    }
    Ok(Exit::Ok)
}
