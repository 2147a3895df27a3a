//! plimsoll-ownership.
