/// Whose move it is after an error; the edge maps only this to a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The asker sent something that can never work: 4xx.
    Asker,
    /// It may work a moment later: 429 or 503 with `Retry-After`.
    Moment,
    /// A defect or a broken disk on our side: 500.
    Ours,
}
