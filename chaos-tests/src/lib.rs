//! plimsoll-chaos-tests.
