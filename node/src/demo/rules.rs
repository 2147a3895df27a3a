//! The rules that come with Plimsoll, put into the demo's cluster.

use plimsoll_client::{Client, Error};
use plimsoll_rules::{BUILTIN, file};
use std::time::Duration;

const PAUSE: Duration = Duration::from_secs(1);
/// A cluster that takes no change for so long has other troubles, which the demo shows.
const TRIES: usize = 60;

/// Puts them where there are no rules yet.
pub async fn apply(client: Client) {
    for _ in 0..TRIES {
        if try_apply(&client).await.is_ok() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_apply(client: &Client) -> Result<(), Error> {
    if !client.rule_groups().await?.data.is_empty() {
        return Ok(());
    }
    for (name, text) in groups() {
        client.put_rule_group(&name, &text).await?;
    }
    Ok(())
}

/// The built-in groups, each by itself.
fn groups() -> Vec<(String, String)> {
    let all = file::parse(BUILTIN).unwrap_or_default();
    all.into_iter().filter_map(|g| Some((g.name.clone(), file::part(BUILTIN, &g.name)?))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_built_in_groups_are_put() {
        let names: Vec<String> = super::groups().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["agent-loops", "agent-cost", "agent-providers", "plimsoll"]);
    }
}
