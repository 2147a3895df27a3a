use super::*;

const CONFIG: &str = "
route: {receiver: ops, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 1h}
receivers:
- name: ops
  webhook_configs: [{url: 'http://x'}]
";

fn config(text: &str) -> Arc<Config> {
    Arc::new(Config::parse(text).expect("a good configuration"))
}

/// An alert `name` of the group `A` that fires since `starts`; over at `ends`, 0 for not.
fn told(name: &str, starts: i64, ends: i64, updated: i64) -> Told {
    let labels = [("alertname", "A"), ("x", name)].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let ends_at = if ends == 0 { updated + 240_000 } else { ends };
    Told { labels, starts_at: starts, ends_at, updated_at: updated, ..Told::default() }
}

/// A dispatcher, its time, what was sent, and the series of its log.
struct World {
    dispatcher: Dispatcher,
    sent: Vec<String>,
    log: BTreeMap<Labels, (i64, f64)>,
    fails: bool,
}

impl World {
    fn new(config_text: &str) -> Self {
        let dispatcher = Dispatcher::new(config(config_text), -60_000);
        Self { dispatcher, sent: Vec::new(), log: BTreeMap::new(), fails: false }
    }

    fn at(&mut self, now: i64, alerts: &[Told]) -> &mut Self {
        for told in alerts {
            assert!(self.dispatcher.take(told.clone(), now));
        }
        for job in self.dispatcher.due(now, |_| false) {
            if self.fails {
                assert!(self.dispatcher.done(&job, Outcome::Failed).is_empty());
                continue;
            }
            if !job.is_silent() {
                let one = |t: &Told| format!("{}{}", t.labels["x"], if t.is_over(now) { "-" } else { "+" });
                let names: String = job.alerts.iter().map(one).collect();
                self.sent.push(format!("{}s {names}", now / 1000));
            }
            self.store(&job);
        }
        self
    }

    fn store(&mut self, job: &Job) {
        for (labels, value) in self.dispatcher.done(job, Outcome::Told) {
            match value {
                Some(v) => drop(self.log.insert(labels, (job.at, v))),
                None => drop(self.log.remove(&labels)),
            }
        }
    }

    /// Another dispatcher takes over with what is stored.
    fn taken_over(&mut self, now: i64) -> &mut Self {
        self.dispatcher = Dispatcher::new(self.dispatcher.config.clone(), now);
        self.dispatcher.restore(self.log.iter().map(|(labels, (at, v))| (labels.clone(), *at, *v)));
        self
    }
}

#[test]
fn a_group_waits_tells_changes_in_its_interval_and_repeats() {
    let mut w = World::new(CONFIG);
    w.at(1_000, &[told("a", 1_000, 0, 1_000)]).at(5_000, &[told("b", 5_000, 0, 5_000)]);
    assert!(w.sent.is_empty());
    w.at(11_000, &[]).at(20_000, &[told("c", 20_000, 0, 20_000)]).at(70_999, &[]);
    assert_eq!(w.sent, ["11s a+b+"]);
    w.at(71_000, &[]).at(
        131_000,
        &[told("a", 1_000, 100_000, 100_000), told("b", 5_000, 0, 131_000), told("c", 20_000, 0, 131_000)],
    );
    assert_eq!(w.sent[1..], ["71s a+b+c+", "131s b+c+a-"]);
    let mut now = 191_000;
    while now < 4_000_000 {
        w.at(now, &[told("b", 5_000, 0, now), told("c", 20_000, 0, now)]);
        now += 60_000;
    }
    assert_eq!(w.sent[3..], ["3731s b+c+"], "an hour after the last");
    w.at(now, &[told("b", 5_000, now, now), told("c", 20_000, now, now)]);
    assert_eq!(w.sent.len(), 5);
    assert!(w.sent[4].ends_with("b-c-"));
    w.at(now + 120_000, &[]).at(now + 8_000_000, &[]);
    assert_eq!(w.sent.len(), 5, "what is over is told once");
    assert_eq!(w.dispatcher.groups().count(), 0);
}

#[test]
fn who_takes_over_repeats_nothing_and_misses_nothing() {
    let mut w = World::new(CONFIG);
    w.at(1_000, &[told("a", 1_000, 0, 1_000), told("b", 1_000, 0, 1_000)]).at(11_000, &[]);
    assert_eq!(w.sent, ["11s a+b+"]);
    // the new one hears of one alert only, then of the other; nothing is new
    w.taken_over(15_000).at(16_000, &[told("a", 1_000, 0, 16_000)]).at(25_000, &[]);
    w.at(26_000, &[told("b", 1_000, 0, 26_000)]).at(90_000, &[]);
    assert_eq!(w.sent.len(), 1);
    // one that began while nobody dispatched is told; one that ended is told to be over
    w.taken_over(100_000).at(
        101_000,
        &[told("a", 1_000, 95_000, 101_000), told("b", 1_000, 0, 101_000), told("c", 90_000, 0, 101_000)],
    );
    w.at(105_000, &[]);
    assert_eq!(w.sent[1..], ["105s b+c+a-"]);
    // the end of all is told by yet another one
    w.taken_over(110_000)
        .at(111_000, &[told("b", 1_000, 109_000, 111_000), told("c", 90_000, 109_000, 111_000)]);
    w.at(115_000, &[]);
    assert_eq!(w.sent[2..], ["115s b-c-"]);
    w.taken_over(120_000).at(121_000, &[told("b", 1_000, 109_000, 121_000)]).at(200_000, &[]);
    assert_eq!(w.sent.len(), 3);
}

#[test]
fn an_end_is_not_told_while_alerts_of_the_group_are_not_heard_of() {
    let mut w = World::new(CONFIG);
    w.at(1_000, &[told("a", 1_000, 0, 1_000), told("b", 1_000, 0, 1_000)]).at(11_000, &[]);
    w.taken_over(20_000).at(21_000, &[told("b", 1_000, 19_000, 21_000)]).at(26_000, &[]);
    assert_eq!(w.sent.len(), 1, "a may still fire");
    w.at(30_000, &[told("a", 1_000, 0, 30_000)]).at(86_000, &[]);
    assert_eq!(w.sent[1..], ["86s a+b-"]);
}

#[test]
fn a_send_that_failed_is_due_again_and_a_repeat_is_at_most_one() {
    let mut w = World::new(CONFIG);
    w.fails = true;
    w.at(1_000, &[told("a", 1_000, 0, 1_000)]).at(11_000, &[]);
    w.fails = false;
    w.at(20_000, &[]).at(71_000, &[]);
    assert_eq!(w.sent, ["71s a+"]);
    // it was told, and the one who told it died before the log knew
    w.log.clear();
    w.taken_over(72_000)
        .at(73_000, &[told("a", 1_000, 0, 73_000)])
        .at(77_000, &[])
        .at(137_000, &[told("a", 1_000, 0, 137_000)]);
    assert_eq!(w.sent, ["71s a+", "77s a+"]);
}

#[test]
fn silences_and_channels_without_ends_are_respected() {
    let mut w = World::new(&CONFIG.replace("'http://x'", "'http://x', send_resolved: false"));
    w.dispatcher.take(told("a", 1_000, 0, 1_000), 1_000);
    assert!(w.dispatcher.due(11_000, |_| true).is_empty(), "it is silent");
    w.at(71_000, &[]).at(131_000, &[told("a", 1_000, 100_000, 130_000)]).at(300_000, &[]);
    assert_eq!(w.sent, ["71s a+"]);
    w.at(400_000, &[told("a", 400_000, 0, 400_000)]).at(410_000, &[]);
    assert_eq!(w.sent, ["71s a+", "410s a+"], "the log knows that it was over");
}

#[test]
fn what_is_forwarded_is_repeated_and_its_end_is_told_once() {
    let text = "route: {receiver: am}\nreceivers: [{name: am, alertmanager_configs: [{url: 'http://am'}]}]";
    let mut w = World::new(text);
    let mut forwarded = |now: i64, alerts: &[Told]| {
        w.at(now, alerts);
        let mut n = 0;
        for (channel, alerts) in w.dispatcher.forwards(now, |_| false) {
            n += alerts.len();
            w.dispatcher.was_forwarded(&channel.key, &alerts, now);
        }
        n
    };
    let counts = [
        forwarded(1_000, &[told("a", 1_000, 0, 1_000)]),
        forwarded(2_000, &[]),
        forwarded(61_000, &[told("a", 1_000, 0, 61_000)]),
        forwarded(70_000, &[told("a", 1_000, 69_000, 70_000)]),
        forwarded(200_000, &[]),
    ];
    assert_eq!(counts, [1, 0, 1, 1, 0]);
    assert!(w.sent.is_empty());
}

#[test]
fn another_configuration_keeps_the_times_of_its_groups() {
    let mut w = World::new(CONFIG);
    w.at(1_000, &[told("a", 1_000, 0, 1_000)]).at(11_000, &[]);
    let other = config(&CONFIG.replace("http://x", "http://y"));
    w.dispatcher.set_config(other, 12_000);
    w.at(60_000, &[told("b", 20_000, 0, 60_000)]);
    assert_eq!(w.sent.len(), 1);
    w.at(71_000, &[]);
    assert_eq!(w.sent[1..], ["71s a+b+"]);
}
