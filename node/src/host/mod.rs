//! This host's CPU, memory and disks as series, through sysinfo.
//!
//! One actor a node; it reads every few seconds and writes through the collector like any other sender.

use crate::collector::{Collector, Row, RowValue};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::time::Duration;
use sysinfo::{Disks, System};

/// The actor.
pub struct Host;

/// Start arguments.
pub struct Args {
    /// Where the samples go.
    pub collector: Collector,
    /// Value of the label `instance`.
    pub instance: String,
    /// Time between two readings.
    pub interval: Duration,
}

/// State of the actor.
pub struct State {
    args: Args,
    system: System,
    disks: Disks,
}

/// What the actor tells itself.
pub enum Msg {
    /// Read and write.
    Read,
}

impl Actor for Host {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let system = System::new()?;
        let disks = Disks::new_with_refreshed_list()?;
        me.send_interval(args.interval, || Msg::Read);
        Ok(State { args, system, disks })
    }

    async fn handle(
        &self,
        _: ActorRef<Msg>,
        Msg::Read: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let rows = state.read(crate::now_ms());
        if let Err(e) = state.args.collector.rows(rows).await {
            tracing::warn!(error = %e, "host metrics were not taken");
        }
        Ok(())
    }
}

impl State {
    fn read(&mut self, now: Timestamp) -> Vec<Row> {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.disks.refresh(false);
        let mut rows = Vec::new();
        let instance = self.args.instance.as_str();
        let mut add = |name: &str, extra: &[(&str, &str)], value: f64| {
            let base = [(METRIC_NAME, name), ("job", "plimsoll-host"), ("instance", instance)];
            // names are constants and values are never twice, so these are labels
            if let Ok(labels) = Labels::from_pairs(base.iter().chain(extra).copied()) {
                rows.push(Row { labels, timestamp: now, value: RowValue::Float(value) });
            }
        };
        for cpu in self.system.cpus() {
            add("system_cpu_usage", &[("cpu", cpu.name())], f64::from(cpu.usage()) / 100.0);
        }
        add("system_memory_total", &[], self.system.total_memory() as f64);
        add("system_memory_used", &[], self.system.used_memory() as f64);
        add("system_memory_available", &[], self.system.available_memory() as f64);
        add("system_swap_used_bytes", &[], self.system.used_swap() as f64);
        if let Ok(load) = System::load_average() {
            for (window, value) in [("1m", load.one), ("5m", load.five), ("15m", load.fifteen)] {
                add("system_load_average", &[("window", window)], value);
            }
        }
        let mut mounts = std::collections::BTreeSet::new();
        for disk in self.disks.iter() {
            let mount = disk.mount_point().to_string_lossy().into_owned();
            if mounts.insert(mount.clone()) {
                add("system_disk_total_bytes", &[("mount", &mount)], disk.total_space() as f64);
                add("system_disk_available_bytes", &[("mount", &mount)], disk.available_space() as f64);
            }
        }
        rows
    }
}
