//! Prices and budgets of the demo, so that its tokens cost something.

use plimsoll_client::{Client, Error};
use std::time::Duration;

/// Models of the simulated fleet; no list of anybody has them.
const BOOK: &str = r#"
revision = "demo"
[[price]]
provider = "*"
model = "large"
from = "2020-01-01"
input = "1"
output = "5"
cache_read = "0.10"
cache_write = "1.25"
[[price]]
provider = "*"
model = "medium"
from = "2020-01-01"
input = "0.25"
output = "2"
cache_read = "0.025"
cache_write = "0.30"
[[price]]
provider = "*"
model = "small"
from = "2020-01-01"
input = "0.05"
output = "0.40"
cache_read = "0.005"
cache_write = "0.06"
"#;

const BUDGETS: [(&str, &str); 2] = [
    ("everything", "name = \"everything\"\nlimit_usd = \"20000\"\nperiod = \"month\"\n"),
    ("by-loop", "name = \"by-loop\"\nlimit_usd = \"150\"\nperiod = \"day\"\ngroup = [\"loop_type\"]\n"),
];

const PAUSE: Duration = Duration::from_secs(1);
/// A cluster that takes no change for so long has other troubles, which the demo shows.
const TRIES: usize = 60;

/// Applies them where nobody has applied others.
pub async fn apply(client: Client) {
    for _ in 0..TRIES {
        if try_apply(&client).await.is_ok() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_apply(client: &Client) -> Result<(), Error> {
    if client.prices().await?.builtin {
        client.apply_prices(Some(BOOK)).await?;
    }
    if client.budgets().await?.is_empty() {
        for (name, text) in BUDGETS {
            client.set_budget(name, text).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_book_and_budgets_are_sound() {
        let book = plimsoll_agents::Book::parse(BOOK).expect("it is sound");
        assert_eq!(book.prices().len(), 3);
        for (name, text) in BUDGETS {
            assert_eq!(plimsoll_agents::Budget::parse(text).expect("it is sound").name(), name);
        }
    }
}
