//! plimsoll-promql.
