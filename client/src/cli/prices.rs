use super::agents::read;
use super::exit::Exit;
use super::output::{Cell, Column, Format, Listing, say};
use super::units::show_time;
use super::{Global, Outcome};
use crate::PriceBook;
use serde_json::json;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll prices show > prices.toml
  plimsoll prices show -o csv
  plimsoll prices check prices.toml
  plimsoll prices apply prices.toml
  plimsoll prices reset                       # back to the built-in one";

/// Commands of `plimsoll prices`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Prices {
    /// Print the price book that holds, as TOML; with -o csv or json as rows.
    Show,
    /// Check a price book and change nothing.
    Check {
        /// The file; `-` is stdin.
        file: PathBuf,
    },
    /// Make a price book the one that holds.
    Apply {
        /// The file; `-` is stdin.
        file: PathBuf,
    },
    /// Go back to the built-in price book.
    Reset,
}

impl Prices {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        let (book, what) = match self {
            Self::Show => {
                let book = client.prices().await?;
                if matches!(global.output, Format::Table | Format::Wide) {
                    say(&book.text)?;
                    return Ok(Exit::Ok);
                }
                (book, "holds")
            }
            Self::Check { file } => (client.check_prices(&read(&file)?).await?, "is sound"),
            Self::Apply { file } => (client.apply_prices(Some(&read(&file)?)).await?, "holds from now on"),
            Self::Reset => (client.apply_prices(None).await?, "holds from now on"),
        };
        tell(&book, global)?;
        eprintln!("price book {} {what}", super::escape::terminal(&book.revision));
        Ok(Exit::Ok)
    }
}

fn tell(book: &PriceBook, global: &Global) -> Outcome {
    let texts = ["provider", "model", "tier", "from"].map(Column::left);
    let amounts =
        ["input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning"].map(Column::right);
    let origin = ["source", "as_of"].map(|name| Column::left(name).wide());
    let mut l = Listing::new("prices/1", texts.into_iter().chain(amounts).chain(origin).collect());
    l.head.insert("revision".into(), json!(book.revision));
    for price in &book.prices {
        let texts =
            [price.provider.join(" "), price.model.join(" "), price.tier.clone(), show_time(price.from_ms)];
        let amounts = [
            &price.input,
            &price.output,
            &price.cache_read,
            &price.cache_write,
            &price.cache_write_1h,
            &price.reasoning,
        ];
        let amounts = amounts.map(|amount| amount.clone().unwrap_or_default());
        let row = texts.into_iter().chain(amounts).chain([price.source.clone(), price.as_of.clone()]);
        l.push(row.map(Cell::text).collect(), json!(price));
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}
