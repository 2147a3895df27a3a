use plimsoll_model::Fault;

/// Why a whole request cannot be read. What the sink got so far must be dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than allowed, by what the frame says or by what came out of it.
    #[error(
        "the request has {size} bytes or more when decompressed, {limit} are allowed; send smaller requests"
    )]
    TooLarge {
        /// Bytes that were seen or announced.
        size: u64,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// More samples than allowed.
    #[error("the request has more than {limit} samples; send smaller requests")]
    TooManySamples {
        /// Samples that are allowed.
        limit: usize,
    },
    /// More symbols than allowed.
    #[error("the request has more than {limit} symbols; send smaller requests")]
    TooManySymbols {
        /// Symbols that are allowed.
        limit: usize,
    },
    /// Decompression failed.
    #[error("the body is not valid {encoding}: {detail}")]
    Compression {
        /// Name of the compression.
        encoding: &'static str,
        /// What the decompressor says.
        detail: String,
    },
    /// The message does not follow its format.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
}

impl DecodeError {
    /// Always the asker's: the same bytes can never be read.
    pub fn fault(&self) -> Fault {
        Fault::Asker
    }

    /// Status of an HTTP answer: 413 for what is too large, else 400.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } | Self::TooManySamples { .. } | Self::TooManySymbols { .. } => 413,
            Self::Compression { .. } | Self::Malformed(_) => 400,
        }
    }
}
