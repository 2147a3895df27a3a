//! plimsoll-proto.
