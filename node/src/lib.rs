//! plimsoll-node.
