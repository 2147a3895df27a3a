//! This host's CPU, memory and disks as samples, through sysinfo.

use anyhow::Context;
use plimsoll_client::Sample;
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::BTreeSet;
use sysinfo::{Disks, System};

/// The label `job` of what is read here.
pub const JOB: &str = "plimsoll-host";

/// What is read.
pub struct Host {
    system: System,
    disks: Disks,
}

impl Host {
    /// Finds out what there is to read.
    pub fn new() -> anyhow::Result<Self> {
        let system = System::new().context("this host does not tell about itself")?;
        let disks = Disks::new_with_refreshed_list().context("this host does not tell about its disks")?;
        Ok(Self { system, disks })
    }

    /// All series as they stand at `now`.
    pub fn read(&mut self, now: Timestamp) -> Vec<Sample> {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.disks.refresh(false);
        let mut samples = Vec::new();
        let mut add = |name: &str, extra: &[(&str, &str)], value: f64| {
            let base = [(METRIC_NAME, name), ("job", JOB), ("instance", "localhost")];
            // names are constants and values are never twice, so these are labels
            if let Ok(labels) = Labels::from_pairs(base.iter().chain(extra).copied()) {
                samples.push(Sample::float(labels, now, value));
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
        let mut mounts = BTreeSet::new();
        for disk in self.disks.iter() {
            let mount = disk.mount_point().to_string_lossy().into_owned();
            if mounts.insert(mount.clone()) {
                add("system_disk_total_bytes", &[("mount", &mount)], disk.total_space() as f64);
                add("system_disk_available_bytes", &[("mount", &mount)], disk.available_space() as f64);
            }
        }
        samples
    }
}
