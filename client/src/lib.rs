//! plimsoll-client.
