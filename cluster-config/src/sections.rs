//! The sections of the file: each key with its default and the reason for it.

use crate::setting::{Given, Key, Setting};
use crate::units::{Period, Size};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// What all sections can do by the name of a key.
pub(crate) trait Section: Default {
    /// Its keys, in the order of the file.
    const KEYS: &'static [Key];

    /// Sets a key; false where the value is not what the key wants. `name` is one of `KEYS`.
    fn set(&mut self, name: &str, given: &Given) -> bool;

    /// A key's value as TOML; nothing where it is not set.
    fn show(&self, name: &str) -> Option<String>;
}

/// Declares a section once: its struct, its defaults, and the table of its keys.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident = $table:literal {
        $( $(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:expr, )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $( $(#[doc = $doc])+ pub $field: $kind, )+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl Section for $name {
            const KEYS: &'static [Key] = &[ $( Key {
                section: $table,
                name: stringify!($field),
                doc: concat!($($doc),+).trim_ascii(),
                wants: <$kind as Setting>::WANTS,
            }, )+ ];

            fn set(&mut self, name: &str, given: &Given) -> bool {
                match name {
                    $( stringify!($field) => match <$kind as Setting>::read(given) {
                        Some(value) => { self.$field = value; true }
                        None => false,
                    }, )+
                    _ => false,
                }
            }

            fn show(&self, name: &str) -> Option<String> {
                match name {
                    $( stringify!($field) => self.$field.show(), )+
                    _ => None,
                }
            }
        }
    };
}

section! {
    /// Where the node lives and whom it talks to.
    Node = "node" {
        /// Directory of all that the node keeps; made when missing.
        data_dir: PathBuf = PathBuf::from("plimsoll-data"),
        /// Address of the one port that serves HTTP and gRPC. Loopback by default: any other one needs `[tls]` and
        /// `[access]` first.
        listen: SocketAddr = (Ipv4Addr::LOCALHOST, 7777).into(),
        /// Address for other nodes, where they shall not use `listen`.
        peer_listen: Option<SocketAddr> = None,
        /// HOST:PORT that other nodes and clients are told; `listen` (and `peer_listen`) where it is not set. Needed where
        /// the node listens on all addresses or behind a translation of addresses.
        advertise: Option<String> = None,
        /// Addresses of nodes of the cluster to join; any one that answers is enough.
        join: Vec<String> = Vec::new(),
        /// Name of the zone (rack, data centre) that this node shares a fate with; replicas are spread over zones.
        zone: Option<String> = None,
        /// Allows addresses that other machines can reach without TLS, tokens and certificates of peers.
        insecure: bool = false,
    }
}

section! {
    /// What is kept on disk, for how long, and the memory it takes.
    Storage = "storage" {
        /// How long samples are kept; older ones are refused on arrival, never answered, and deleted by the day.
        /// Thirty days, as VictoriaMetrics (a month) and longer than Prometheus (15 days): a month-on-month look
        /// is the first thing that people miss, and a sample takes less than a byte.
        retention: Period = Period::days(30),
        /// How often the newest samples move from memory into RocksDB, which lets the log be cut. Five minutes of
        /// log replay in about a second at a million samples a minute.
        checkpoint_interval: Period = Period::minutes(5),
        /// A checkpoint starts earlier when the newest samples of all shards hold so much memory.
        head: Size = Size::mib(64),
        /// Blocks of RocksDB kept in memory for queries.
        block_cache: Size = Size::mib(32),
        /// Memory of RocksDB's write buffers, all shards together.
        write_buffer: Size = Size::mib(16),
        /// The node turns read-only before less than this is free on its disk, and recovers by itself when a tenth
        /// more is free. At most a twentieth of the disk is kept free, so that a small one stays of use.
        min_free_disk: Size = Size::gib(1),
    }
}

section! {
    /// How the series are spread; fixed when the cluster is created.
    Shards = "shards" {
        /// Number of shards, 1 to 256. Sixteen keep the cores of a small machine busy and a cluster of some ten nodes
        /// balanced.
        count: u64 = 16,
    }
}

section! {
    /// What the cluster does by itself.
    Cluster = "cluster" {
        /// A node that is silent for longer has its replicas rebuilt on other nodes. Long enough for a reboot or an upgrade;
        /// the data is whole meanwhile, with one replica less.
        replace_after: Period = Period::minutes(5),
        /// Shards whose replicas are moved at a time; more are done sooner and disturb more.
        moves: u64 = 4,
        /// Bytes a second that a node sends to others for moves, all together. At this rate 100 GB take half an hour from
        /// one node, and less from several.
        move_rate: Size = Size::mib(64),
    }
}

section! {
    /// What a writer may send. Over a limit the sample or the request is refused with its reason, and counted.
    Ingest = "ingest" {
        /// Size of a request after decompression; checked before anything of that size is allocated.
        decoded_bytes: Size = Size::mib(32),
        /// Samples in one request. Prometheus sends 2,000, agents that catch up some ten thousand.
        samples_per_request: u64 = 500_000,
        /// Labels of a series. Kubernetes' own have up to about 40.
        labels_per_series: u64 = 64,
        /// Bytes of a label's name.
        label_name_bytes: Size = Size::kib(1),
        /// Bytes of a label's value; four KiB hold long URLs and image names.
        label_value_bytes: Size = Size::kib(4),
        /// Series with new samples that the node keeps in memory at a time; more are refused until others end.
        max_series: u64 = 2_000_000,
        /// How far ahead of this node's clock a sample may be; more is a broken clock.
        future_skew: Period = Period::minutes(10),
        /// Bytes of all requests being worked on; over it writers are told to come back (429).
        in_flight_bytes: Size = Size::mib(64),
    }
}

section! {
    /// How OpenTelemetry's metrics become series. Nodes of a cluster should agree on it.
    Otlp = "otlp" {
        /// `prometheus` (`http.requests` in `s` becomes `http_requests_seconds`, counters end in `_total`), `underscores` (no
        /// unit, no `_total`), `suffixes` (dots stay, unit and `_total` are added) or `untouched`.
        names: OtlpNames = OtlpNames::Prometheus,
        /// Attributes of the resource that become labels of its series. `service.*` become `job` and `instance` in any
        /// case, the others are in `target_info`.
        promote: Vec<String> = Vec::new(),
        /// Whether the instrumentation scope becomes the labels `otel_scope_*`. They make new series with each version of
        /// a library.
        scope_labels: bool = false,
        /// Whether the attributes of a resource become the series `target_info`.
        target_info: bool = true,
        /// Whether delta temporality is taken and added up. Without it, senders are told to send cumulative sums.
        delta: bool = true,
    }
}

section! {
    /// What a query may take. Over a limit the query ends with an error that names the limit.
    Query = "query" {
        /// How far an instant looks back for the newest sample; the same as Prometheus.
        lookback: Period = Period::minutes(5),
        /// Longest time of a query; a caller may ask for less. The same as Prometheus.
        timeout: Period = Period::minutes(2),
        /// Samples that a query may hold; the same as Prometheus.
        max_samples: u64 = 50_000_000,
        /// Series that a query may touch.
        max_series: u64 = 1_000_000,
        /// Points a series in the answer of a range query; the same as Prometheus.
        max_points: u64 = 11_000,
        /// Memory of one query.
        memory: Size = Size::mib(512),
        /// Queries that run at a time; further ones wait within their timeout. A query uses all cores by itself.
        concurrency: u64 = 16,
    }
}

section! {
    /// What the cluster fetches metrics from.
    Scrape = "scrape" {
        /// File with `scrape_configs` as Prometheus has them. The node hands its content to the cluster, whose nodes share
        /// the targets; a changed file is taken up within seconds. Files that it names must lie on every node.
        config_file: Option<PathBuf> = None,
        /// Whether the cluster scrapes its own nodes, as job `plimsoll`.
        own_nodes: bool = true,
        /// How often the cluster scrapes its own nodes.
        own_interval: Period = Period::seconds(15),
        /// Largest body of a target after decompression, where its job sets no smaller `body_size_limit`.
        body: Size = Size::mib(64),
        /// Bytes of all bodies on their way to this node; a scrape that finds no room fails, and says so.
        in_flight_bytes: Size = Size::mib(128),
    }
}

section! {
    /// Recording and alerting rules, and how alerts reach people.
    Rules = "rules" {
        /// Rule files in Prometheus' format; `*` stands for any characters of a file's name. Read again when they change. The
        /// groups are kept in the cluster, so one node that has the files is enough.
        files: Vec<String> = Vec::new(),
        /// How often a group is evaluated that says nothing of it; the same as Prometheus.
        evaluation_interval: Period = Period::minutes(1),
        /// How far in the past rules look, for samples that come late.
        query_offset: Period = Period::seconds(0),
        /// Where people reach the cluster; alerts link to it.
        external_url: Option<String> = None,
        /// Labels of every alert that leaves the cluster, each as `name=value`.
        external_labels: Vec<String> = Vec::new(),
        /// File with routes and receivers of alerts in Alertmanager's format; read again when it changes. Without it what was
        /// put by the API holds.
        notifications: Option<PathBuf> = None,
        /// Program with its arguments that receivers with `exec_configs` run, with the message on its standard input. It can
        /// be named here and nowhere else.
        exec: Vec<String> = Vec::new(),
    }
}

section! {
    /// Certificates: who the node says it is, and which other nodes it believes. PEM files; changed files are taken
    /// up within seconds, without a restart.
    Tls = "tls" {
        /// Certificate that clients see, with its chain; PEM. With it the port speaks TLS and nothing else.
        cert: Option<PathBuf> = None,
        /// Key of `tls.cert`; PEM.
        key: Option<PathBuf> = None,
        /// Certificates that sign those of nodes; PEM. With it only a node that shows such a certificate, made out to
        /// `plimsoll-peer`, is a peer.
        peer_ca: Option<PathBuf> = None,
        /// Certificate that this node shows to other nodes, made out to `plimsoll-peer`; PEM.
        peer_cert: Option<PathBuf> = None,
        /// Key of `tls.peer_cert`; PEM.
        peer_key: Option<PathBuf> = None,
    }
}

section! {
    /// Who may do what over the API.
    Access = "access" {
        /// Whether a request must carry a token whose role allows it.
        tokens: bool = false,
        /// File that holds a token with the role `admin`, at least 32 characters: the way to the first token, and the
        /// way back in when all others are lost. A changed file is taken up within seconds.
        root_token_file: Option<PathBuf> = None,
    }
}

section! {
    /// What the node says about itself on stderr.
    Log = "log" {
        /// Least severity that is written.
        level: LogLevel = LogLevel::Info,
        /// `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text,
    }
}

/// A setting that is one of a few words.
macro_rules! words {
    ($(#[doc = $about:literal])+ $name:ident, $wants:literal { $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $doc])+ $variant, )+ }

        impl $name {
            /// As it is written in a file.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl Setting for $name {
            const WANTS: &'static str = $wants;

            fn parse(words: &str) -> Option<Self> {
                match words { $( $word => Some(Self::$variant), )+ _ => None }
            }

            fn show(&self) -> Option<String> {
                self.as_str().to_owned().show()
            }
        }
    };
}

words! {
    /// Names that OpenTelemetry's metrics and attributes get.
    OtlpNames, "one of prometheus, underscores, suffixes, untouched" {
        /// As Prometheus translates them.
        Prometheus = "prometheus",
        /// Without unit and `_total`.
        Underscores = "underscores",
        /// With unit and `_total`, other characters as they are.
        Suffixes = "suffixes",
        /// As they are.
        Untouched = "untouched",
    }
}

words! {
    /// Least severity of a line in the log.
    LogLevel, "one of error, warn, info, debug, trace" {
        /// What an operator must act on.
        Error = "error",
        /// What an operator should look at.
        Warn = "warn",
        /// Starts, stops, moves.
        Info = "info",
        /// For the people who build it.
        Debug = "debug",
        /// All there is.
        Trace = "trace",
    }
}

words! {
    /// Form of a line in the log.
    LogFormat, "one of text, json" {
        /// For people.
        Text = "text",
        /// One object a line.
        Json = "json",
    }
}
