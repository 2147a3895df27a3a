//! plimsoll-consensus.
