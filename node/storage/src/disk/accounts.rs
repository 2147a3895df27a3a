//! The accounts of a checkpoint: what series with increases have counted so far, and which intervals.
//!
//! ```text
//! body    records one after another, packed (see `frame`); a record is as in `increases`
//! ```

use super::Flaw;
use super::frame::{self, Packer, Unpacker};
use crate::increases::Accounts;
use plimsoll_model::SeriesRef;

/// Size at which a row is closed.
const ROW_BYTES: usize = 64 << 10;

/// The rows of all accounts: the first ref of each, and its value.
pub(crate) fn rows(accounts: &Accounts) -> Vec<(SeriesRef, Vec<u8>)> {
    let mut rows: Vec<(SeriesRef, Vec<u8>)> = Vec::new();
    accounts.each_record(|r, record| match rows.last_mut() {
        Some((_, row)) if row.len() < ROW_BYTES => row.extend_from_slice(record),
        _ => rows.push((r, record.to_vec())),
    });
    rows
}

/// The framed value of these records.
pub(crate) fn seal(records: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(records.len());
    Packer::default().put(&mut body, records);
    frame::seal(&body)
}

/// Puts the accounts of a row back, except those of series that `lives` denies.
pub(crate) fn restore(
    value: &[u8],
    accounts: &mut Accounts,
    lives: impl Fn(SeriesRef) -> bool,
) -> Result<(), Flaw> {
    let records = Unpacker::default().take(frame::open(value)?)?;
    accounts.restore(&records, lives).ok_or(Flaw::Damaged)
}
