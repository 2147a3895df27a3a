//! Which path needs what: one table.

use std::fmt;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends samples; sees nothing.
    Write,
    /// Asks; changes nothing.
    Read,
    /// Both, and upkeep, the cluster and tokens.
    Admin,
}

/// What a path needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anyone may come: no data is behind it, and probes carry no token.
    Nothing,
    /// A token of any role.
    Token,
    /// A token with this role.
    Role(Role),
    /// The certificate of a node.
    Peer,
}

use Need::{Nothing, Peer};
const READ: Need = Need::Role(Role::Read);
const WRITE: Need = Need::Role(Role::Write);
const ADMIN: Need = Need::Role(Role::Admin);

/// The path of every route with what it needs, whatever the method. A route that is not here is for admins.
pub const ROUTES: &[(&str, Need)] = &[
    ("/-/healthy", Nothing),
    ("/-/ready", Nothing),
    ("/", Nothing),
    ("/icon.svg", Nothing),
    ("/assets/{*path}", Nothing),
    ("/api/v1/write", WRITE),
    ("/api/v1/import", WRITE),
    ("/api/v1/import/prometheus", WRITE),
    ("/plimsoll.v1.Write/{*rest}", WRITE),
    ("/v1/metrics", WRITE),
    ("/api/v1/otlp/v1/metrics", WRITE),
    ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", WRITE),
    ("/api/v1/query", READ),
    ("/api/v1/query_range", READ),
    ("/api/v1/query_exemplars", READ),
    ("/api/v1/format_query", READ),
    ("/api/v1/parse_query", READ),
    ("/api/v1/queries", READ),
    ("/api/v1/queries/{id}/cancel", READ),
    ("/api/v1/queries/{id}", READ),
    ("/api/v1/series", READ),
    ("/api/v1/labels", READ),
    ("/api/v1/label/{name}/values", READ),
    ("/api/v1/metadata", READ),
    ("/api/v1/targets", READ),
    ("/api/v1/targets/metadata", READ),
    ("/api/v1/scrape_pools", READ),
    ("/api/v1/scrape/config", ADMIN),
    ("/api/v1/cardinality", READ),
    ("/api/v1/rules", READ),
    ("/api/v1/alerts", READ),
    ("/api/v1/alertmanagers", READ),
    ("/api/v1/rules/groups/{name}", ADMIN),
    ("/api/v1/silences", READ),
    ("/api/v1/silences/{id}", READ),
    ("/api/v1/notifications", READ),
    ("/api/v1/notifications/config", ADMIN),
    ("/api/v1/export", READ),
    ("/api/v1/status", READ),
    ("/api/v1/status/buildinfo", READ),
    ("/api/v1/status/runtimeinfo", READ),
    ("/api/v1/status/flags", READ),
    ("/api/v1/status/config", READ),
    ("/api/v1/status/tsdb", READ),
    ("/metrics", READ),
    ("/api/v1/live", READ),
    ("/api/v1/dashboards", READ),
    // whoever may read sees them; a change is for admins, see CHANGED_BY_ADMINS
    ("/api/v1/dashboards/{id}", READ),
    ("/api/v1/dashboards/import", ADMIN),
    ("/api/v1/reports/{kind}", READ),
    ("/api/v1/reports/schedules", ADMIN),
    ("/api/v1/reports/schedules/{name}", ADMIN),
    ("/api/v1/anomalies", READ),
    ("/api/v1/anomalies/watches", ADMIN),
    ("/api/v1/anomalies/watches/{name}", ADMIN),
    ("/api/v1/forecast", READ),
    ("/plimsoll.v1.Report/{*rest}", READ),
    ("/api/v1/agents/mapping", READ),
    ("/api/v1/agents/mapping/check", READ),
    ("/api/v1/agents/mapping/current", ADMIN),
    ("/api/v1/agents/status", READ),
    ("/api/v1/agents/cost", READ),
    ("/api/v1/agents/rework", ADMIN),
    ("/api/v1/prices", READ),
    ("/api/v1/prices/check", READ),
    ("/api/v1/prices/current", ADMIN),
    ("/api/v1/budgets", READ),
    ("/api/v1/budgets/{name}", ADMIN),
    ("/plimsoll.v1.Query/{*rest}", READ),
    ("/api/v1/admin/checkpoint", ADMIN),
    ("/api/v1/admin/compact", ADMIN),
    ("/api/v1/admin/replica", ADMIN),
    ("/api/v1/admin/scrub", ADMIN),
    ("/api/v1/admin/retention", ADMIN),
    ("/api/v1/admin/retention/dry_run", ADMIN),
    ("/api/v1/admin/tsdb/delete_series", ADMIN),
    ("/api/v1/admin/deletions", ADMIN),
    ("/api/v1/backup/shards", ADMIN),
    ("/api/v1/backup/shard/{number}", ADMIN),
    ("/api/v1/tokens", ADMIN),
    ("/api/v1/tokens/{name}", ADMIN),
    ("/plimsoll.v1.Admin/{*rest}", ADMIN),
    // a client of any role may learn where the nodes are
    ("/api/v1/cluster", Need::Token),
    ("/api/v1/cluster/log", READ),
    ("/api/v1/cluster/join-command", ADMIN),
    ("/api/v1/cluster/drain", ADMIN),
    ("/api/v1/cluster/undrain", ADMIN),
    ("/api/v1/cluster/remove", ADMIN),
    ("/api/v1/cluster/replace", ADMIN),
    ("/api/v1/cluster/rebalance", ADMIN),
    ("/api/v1/cluster/transfer", ADMIN),
    ("/api/v1/cluster/replication", ADMIN),
    ("/api/v1/cluster/settings", ADMIN),
    ("/plimsoll.v1.Peer/{*rest}", Peer),
];

/// Paths that anybody who may read can get, and only admins can change: other methods than GET and HEAD.
const CHANGED_BY_ADMINS: &[&str] = &["/api/v1/dashboards/{id}", "/api/v1/silences", "/api/v1/silences/{id}"];

impl Role {
    /// Whether a token with this role may do what needs `needed`.
    pub fn allows(self, needed: Self) -> bool {
        self == Self::Admin || self == needed
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Need {
    /// What a request to the route with this path needs; `changes` says that its method is neither GET nor HEAD.
    pub fn of_request(route: Option<&str>, changes: bool) -> Self {
        if changes && route.is_some_and(|route| CHANGED_BY_ADMINS.contains(&route)) {
            return ADMIN;
        }
        Self::of(route)
    }

    /// What the route with this path needs; nothing matched is for the holder of any token.
    pub fn of(route: Option<&str>) -> Self {
        let Some(route) = route else { return Self::Token };
        ROUTES.iter().find(|(path, _)| *path == route).map_or(ADMIN, |(_, need)| *need)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Token => f.write_str("a token"),
            Self::Role(role) => write!(f, "a token with the role `{role}`"),
            Self::Peer => f.write_str("the certificate of a node"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_may_do_all_and_the_others_only_their_own() {
        let roles = [Role::Write, Role::Read, Role::Admin];
        let allowed = |has: Role| roles.map(|needed| has.allows(needed));
        assert_eq!(allowed(Role::Write), [true, false, false]);
        assert_eq!(allowed(Role::Read), [false, true, false]);
        assert_eq!(allowed(Role::Admin), [true, true, true]);
    }

    #[test]
    fn what_readers_see_is_changed_by_admins_alone() {
        for path in CHANGED_BY_ADMINS {
            assert_eq!(Need::of_request(Some(path), false), READ);
            assert_eq!(Need::of_request(Some(path), true), ADMIN);
        }
        // a query is posted because it is long
        assert_eq!(Need::of_request(Some("/api/v1/query"), true), READ);
    }

    #[test]
    fn a_route_that_nobody_listed_is_for_admins() {
        assert_eq!(Need::of(Some("/api/v1/new")), ADMIN);
        assert_eq!(Need::of(None), Need::Token);
        for (at, (path, _)) in ROUTES.iter().enumerate() {
            assert!(!ROUTES[..at].iter().any(|(other, _)| other == path), "{path} is listed twice");
        }
    }
}
