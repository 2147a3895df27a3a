use super::{Need, Role};
use plimsoll_model::Fault;
use std::path::PathBuf;

/// Why certificates or the root token cannot be used, or a peer cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file can be read and not used.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why, and what should be in it.
        reason: String,
    },
    /// A peer's address is none.
    #[error("`{address}` is no address of a peer; it should be HOST:PORT")]
    Address {
        /// As it was given.
        address: String,
    },
}

impl Error {
    /// Files and addresses are the operator's to mend.
    pub fn fault(&self) -> Fault {
        Fault::Asker
    }
}

/// Why a request was not let in. Names no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no token in the request.
    #[error("this needs {need}: send it as `Authorization: Bearer TOKEN`")]
    NoToken {
        /// What the path needs.
        need: Need,
    },
    /// Nobody has this token, or no longer.
    #[error("there is no such token; `plimsoll token list` shows those that there are")]
    UnknownToken,
    /// Its time is over.
    #[error("the token `{name}` has expired; have an admin create another one")]
    ExpiredToken {
        /// Its name.
        name: String,
    },
    /// It is a good token for something else.
    #[error("the token `{name}` has the role `{has}`, this needs the role `{needs}`")]
    WrongRole {
        /// Its name.
        name: String,
        /// Its role.
        has: Role,
        /// What the path needs.
        needs: Role,
    },
    /// The service for peers, and no peer.
    #[error("{}", if *certificates {
        "this is for other nodes, which show a certificate signed by `tls.peer_ca` and made out to `plimsoll-peer`; \
         a token does not replace it"
    } else {
        "this is for other nodes, and with `access.tokens` nodes must know one another by certificates: set \
         `tls.peer_ca`, `tls.peer_cert` and `tls.peer_key`"
    })]
    NotPeer {
        /// Whether nodes know one another by certificates here.
        certificates: bool,
    },
}

impl Refused {
    /// The value of the label `reason` of `plimsoll_access_refused_total`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToken { .. } => "no_token",
            Self::UnknownToken => "unknown_token",
            Self::ExpiredToken { .. } => "expired_token",
            Self::WrongRole { .. } => "wrong_role",
            Self::NotPeer { .. } => "not_a_peer",
        }
    }

    /// Whether another token would help (401), rather than another role (403).
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::NoToken { .. } | Self::UnknownToken | Self::ExpiredToken { .. })
    }
}
