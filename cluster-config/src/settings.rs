//! All settings, by section and by key.

use crate::effective::Effective;
use crate::error::{Error, Origin, Problem};
use crate::load::{Assignment, LoadArgs};
use crate::sections::{
    Access, Cluster, Ingest, Log, Node, Otlp, Query, Rules, Scrape, Section, Shards, Storage, Tls,
};
use crate::setting::Key;
use crate::suggest;
use std::collections::BTreeMap;

/// All settings of a node, checked. The sections are public, to be handed by value to who uses them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `[node]`
    pub node: Node,
    /// `[storage]`
    pub storage: Storage,
    /// `[shards]`
    pub shards: Shards,
    /// `[cluster]`
    pub cluster: Cluster,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[otlp]`
    pub otlp: Otlp,
    /// `[query]`
    pub query: Query,
    /// `[scrape]`
    pub scrape: Scrape,
    /// `[rules]`
    pub rules: Rules,
    /// `[tls]`
    pub tls: Tls,
    /// `[access]`
    pub access: Access,
    /// `[log]`
    pub log: Log,
    /// Where each value that is not a default came from, by path.
    origins: BTreeMap<String, Origin>,
}

impl Settings {
    /// Takes every source of `args` in turn, later ones over earlier ones, and checks the outcome once.
    pub fn load(args: LoadArgs) -> Result<Self, Error> {
        let mut settings = Self::default();
        let mut problems = Vec::new();
        for assignment in args.assignments()? {
            if let Err(problem) = settings.assign(assignment) {
                problems.push(problem);
            }
        }
        // A value that could not be read left its default behind; to judge that would only mislead.
        if problems.is_empty() {
            settings.validate(&mut problems);
        }
        if problems.is_empty() { Ok(settings) } else { Err(Error::Refused { problems }) }
    }

    /// Every key that can be set, in the order of the file.
    pub fn keys() -> impl Iterator<Item = &'static Key> {
        let sections = [
            Node::KEYS,
            Storage::KEYS,
            Shards::KEYS,
            Cluster::KEYS,
            Ingest::KEYS,
            Otlp::KEYS,
            Query::KEYS,
            Scrape::KEYS,
            Rules::KEYS,
            Tls::KEYS,
            Access::KEYS,
            Log::KEYS,
        ];
        sections.into_iter().flatten()
    }

    /// All values that hold, each with where it came from; prints as a TOML file.
    pub fn effective(&self) -> Effective<'_> {
        Effective::new(self)
    }

    /// Where the value of `path` (`storage.retention`) came from.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// The value of a key as TOML; nothing where it is not set.
    pub(crate) fn show(&self, key: &Key) -> Option<String> {
        match key.section {
            "node" => self.node.show(key.name),
            "storage" => self.storage.show(key.name),
            "shards" => self.shards.show(key.name),
            "cluster" => self.cluster.show(key.name),
            "ingest" => self.ingest.show(key.name),
            "otlp" => self.otlp.show(key.name),
            "query" => self.query.show(key.name),
            "scrape" => self.scrape.show(key.name),
            "rules" => self.rules.show(key.name),
            "tls" => self.tls.show(key.name),
            "access" => self.access.show(key.name),
            _ => self.log.show(key.name),
        }
    }

    fn assign(&mut self, assignment: Assignment) -> Result<(), Problem> {
        let Assignment { path, given, origin } = assignment;
        let Some(key) = Self::keys().find(|key| key.path() == path) else {
            return Err(Problem::Unknown { suggestion: suggest::nearest(&path), path, origin });
        };
        let taken = match key.section {
            "node" => self.node.set(key.name, &given),
            "storage" => self.storage.set(key.name, &given),
            "shards" => self.shards.set(key.name, &given),
            "cluster" => self.cluster.set(key.name, &given),
            "ingest" => self.ingest.set(key.name, &given),
            "otlp" => self.otlp.set(key.name, &given),
            "query" => self.query.set(key.name, &given),
            "scrape" => self.scrape.set(key.name, &given),
            "rules" => self.rules.set(key.name, &given),
            "tls" => self.tls.set(key.name, &given),
            "access" => self.access.set(key.name, &given),
            _ => self.log.set(key.name, &given),
        };
        if !taken {
            return Err(Problem::Unreadable { path, origin, value: given.show(), wants: key.wants });
        }
        self.origins.insert(path, origin);
        Ok(())
    }
}
