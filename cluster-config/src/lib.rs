//! plimsoll-cluster-config.
