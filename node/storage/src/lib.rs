//! plimsoll-storage.
