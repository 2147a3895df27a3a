use super::super::exit::{Exit, Problem};
use super::super::output::say;
use super::super::screen::Screen;
use super::super::units::{duration, now, show_time};
use super::super::{Global, Outcome, escape};
use super::{health, status};
use crate::{Client, Cluster, Error};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll cluster watch
  plimsoll cluster watch --until-healthy --within 5m && deploy
  plimsoll cluster watch --every 10s >> cluster.log      # a line each time, without a terminal";

/// Shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(200);

/// Arguments of `cluster watch`.
#[derive(clap::Args, Clone, Debug)]
pub struct Watch {
    /// How often to look.
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "DURATION")]
    every: Duration,
    /// End as soon as the cluster is healthy and nothing moves.
    #[arg(long)]
    until_healthy: bool,
    /// End after this time; with --until-healthy that is exit code 4.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    within: Option<Duration>,
}

impl Watch {
    pub(super) async fn run(self, _: &Global, client: &Client) -> Outcome {
        let on_terminal = std::io::stdout().is_terminal();
        let mut screen = None;
        let began = Instant::now();
        let mut ticks = tokio::time::interval(self.every.max(SHORTEST));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Ok),
                _ = ticks.tick() => {}
            }
            let look = client.cluster().await;
            if let (Err(e), None) = (&look, &last)
                && !matches!(e, Error::Busy { .. })
            {
                // Nothing was seen yet: more likely a wrong url than a cluster that is away.
                return Err(look.err().map_or_else(|| Problem::fail("no answer"), Problem::from));
            }
            let trouble = look.as_ref().err().map(ToString::to_string);
            if let Ok(cluster) = look {
                last = Some(cluster);
            }
            if on_terminal {
                let screen = screen.get_or_insert_with(Screen::enter);
                screen.draw(&picture(last.as_ref(), trouble.as_deref()))?;
            } else {
                say(&line(last.as_ref(), trouble.as_deref()))?;
            }
            if let (true, Some(c), None) = (self.until_healthy, &last, &trouble)
                && is_calm(c)
            {
                return Ok(Exit::Ok);
            }
            if self.within.is_some_and(|within| began.elapsed() >= within) {
                return Ok(if self.until_healthy { Exit::Degraded } else { Exit::Ok });
            }
        }
    }
}

fn is_calm(c: &Cluster) -> bool {
    health::verdict(c).1 == Exit::Ok && c.unsettled() == 0 && c.moves.is_empty()
}

fn picture(cluster: Option<&Cluster>, trouble: Option<&str>) -> String {
    let mut out = cluster.map(|c| status::screen(c, false, false)).unwrap_or_default();
    if let Some(trouble) = trouble {
        out.push_str(&format!("! the picture is old: {}\n", escape::terminal(trouble)));
    }
    out
}

fn line(cluster: Option<&Cluster>, trouble: Option<&str>) -> String {
    let what = match (trouble, cluster) {
        (Some(trouble), _) => format!("unreachable: {trouble}"),
        (None, Some(c)) => health::verdict(c).0,
        (None, None) => "unknown".to_owned(),
    };
    let epoch = cluster.map_or(0, |c| c.epoch);
    format!("{}  epoch {epoch}  {}\n", show_time(now() / 1000 * 1000), escape::terminal(&what))
}

#[cfg(test)]
mod tests {
    use super::super::health::tests::three;
    use super::*;

    #[test]
    fn a_line_tells_the_moment_the_epoch_and_the_verdict() {
        let c = three(|_| {});
        let text = line(Some(&c), None);
        assert!(
            text.ends_with("Z  epoch 7  healthy: 3 nodes, 2 shards, 3 copies of every sample\n"),
            "{text}"
        );
        assert!(line(Some(&c), Some("gone")).contains("unreachable: gone"));
        assert!(picture(Some(&c), Some("gone")).ends_with("! the picture is old: gone\n"));
    }

    #[test]
    fn a_cluster_that_moves_shards_is_not_calm_yet() {
        assert!(is_calm(&three(|_| {})));
        assert!(!is_calm(&three(|c| c.shards[0].replicas = vec![1, 2])));
        assert!(!is_calm(&three(|c| c.nodes[0].live = false)));
    }
}
