//! Whether the values hold, each alone and beside the others. Done once, at the end of a load.

use crate::error::Problem;
use crate::settings::Settings;
use crate::units::{Period, Size};

/// Beyond a hundred years a retention is a slip of the finger, and timestamps come near their end.
const LONGEST: Period = Period::days(100 * 365);

impl Settings {
    /// Adds what does not hold to `problems`.
    pub(crate) fn validate(&self, problems: &mut Vec<Problem>) {
        let mut refuse = |path: &str, reason: Option<String>| {
            if let Some(reason) = reason {
                problems.push(Problem::Invalid { path: path.to_owned(), origin: self.origin(path), reason });
            }
        };
        let empty = self.node.data_dir.as_os_str().is_empty();
        refuse("node.data_dir", empty.then(|| "is empty; name the directory that keeps the data".to_owned()));
        for (path, reason) in self.unsafe_settings() {
            refuse(path, Some(reason));
        }
        let zone = self.node.zone.as_deref().unwrap_or("-");
        refuse(
            "node.zone",
            zone.trim().is_empty().then(|| "is empty; leave it out or name a zone".to_owned()),
        );
        let odd_peer = self.node.join.iter().find(|peer| !is_host_and_port(peer));
        refuse("node.join", odd_peer.map(|peer| format!("`{peer}` is not HOST:PORT, such as 10.0.0.1:7777")));

        let advertise = self.node.advertise.as_deref().filter(|a| !is_host_and_port(a));
        refuse(
            "node.advertise",
            advertise.map(|a| format!("`{a}` is not HOST:PORT, such as db1.example:7777")),
        );
        let cluster = &self.cluster;
        refuse("cluster.replace_after", period(cluster.replace_after, Period::seconds(2), Period::days(30)));
        refuse("cluster.move_rate", size(cluster.move_rate, Size::kib(64), Size::gib(100)));
        refuse("cluster.moves", number(cluster.moves, 1, 64));
        refuse("shards.count", number(self.shards.count, 1, 256));

        let storage = &self.storage;
        refuse("storage.retention", period(storage.retention, Period::minutes(60), LONGEST));
        refuse(
            "storage.checkpoint_interval",
            period(storage.checkpoint_interval, Period::seconds(1), Period::days(1)),
        );
        refuse("storage.head", size(storage.head, Size::mib(1), Size::gib(1 << 10)));
        refuse("storage.block_cache", size(storage.block_cache, Size::mib(1), Size::gib(1 << 10)));
        refuse("storage.write_buffer", size(storage.write_buffer, Size::mib(1), Size::gib(1 << 10)));

        let ingest = &self.ingest;
        refuse("ingest.decoded_bytes", size(ingest.decoded_bytes, Size::kib(1), Size::gib(1)));
        refuse("ingest.samples_per_request", number(ingest.samples_per_request, 1, 100_000_000));
        refuse("ingest.labels_per_series", number(ingest.labels_per_series, 1, 10_000));
        refuse("ingest.label_name_bytes", size(ingest.label_name_bytes, Size::of(8), Size::mib(1)));
        refuse("ingest.label_value_bytes", size(ingest.label_value_bytes, Size::of(8), Size::mib(1)));
        // A series is numbered with 32 bits in its shard.
        refuse("ingest.max_series", number(ingest.max_series, 1, u64::from(u32::MAX)));
        refuse("ingest.future_skew", period(ingest.future_skew, Period::millis(0), Period::days(365)));
        let one_fits = ingest.in_flight_bytes >= ingest.decoded_bytes;
        refuse(
            "ingest.in_flight_bytes",
            (!one_fits).then(|| {
                format!(
                    "{} would never let a request of `ingest.decoded_bytes` ({}) in",
                    ingest.in_flight_bytes, ingest.decoded_bytes
                )
            }),
        );

        let scrape = &self.scrape;
        refuse("scrape.own_interval", period(scrape.own_interval, Period::seconds(1), Period::minutes(5)));
        refuse("scrape.body", size(scrape.body, Size::kib(1), Size::gib(1)));
        refuse("scrape.in_flight_bytes", size(scrape.in_flight_bytes, Size::mib(1), Size::gib(1)));

        let query = &self.query;
        refuse("query.lookback", period(query.lookback, Period::millis(1), Period::days(1)));
        refuse("query.timeout", period(query.timeout, Period::millis(1), Period::days(1)));
        refuse("query.max_samples", number(query.max_samples, 1, u64::MAX));
        refuse("query.max_series", number(query.max_series, 1, u64::MAX));
        refuse("query.max_points", number(query.max_points, 1, 1_000_000));
        refuse("query.memory", size(query.memory, Size::mib(1), Size::gib(1 << 10)));
        refuse("query.concurrency", number(query.concurrency, 1, 10_000));
    }
}

fn is_host_and_port(peer: &str) -> bool {
    match peer.rsplit_once(':') {
        Some((host, port)) => {
            let host_is_good = match host.strip_prefix('[') {
                Some(rest) => rest.ends_with(']'),
                None => !host.is_empty() && !host.contains([':', '/', ' ']),
            };
            host_is_good && port.parse::<u16>().is_ok_and(|port| port > 0)
        }
        None => false,
    }
}

fn number(value: u64, least: u64, most: u64) -> Option<String> {
    if value < least {
        Some(format!("{value} is too little; at least {least}"))
    } else {
        (value > most).then(|| format!("{value} is too much; at most {most}"))
    }
}

fn period(value: Period, least: Period, most: Period) -> Option<String> {
    if value < least {
        Some(format!("{value} is too short; at least {least}"))
    } else {
        (value > most).then(|| format!("{value} is too long; at most {most}"))
    }
}

fn size(value: Size, least: Size, most: Size) -> Option<String> {
    if value < least {
        Some(format!("{value} is too little; at least {least}"))
    } else {
        (value > most).then(|| format!("{value} is too much; at most {most}"))
    }
}
