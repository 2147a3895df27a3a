//! plimsoll-tests.
