//! Figures of this machine and this process as metrics.

use crate::registry::Registry;
use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use sysinfo::{Disks, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Reads the operating system; keeps what it read before, because loads are differences.
#[derive(Debug, Default)]
pub(crate) struct SystemMetrics {
    sources: Option<Sources>,
}

#[derive(Debug)]
struct Sources {
    system: System,
    disks: Option<Disks>,
    networks: Option<Networks>,
}

impl SystemMetrics {
    pub fn collect(&mut self, registry: &Registry) {
        if self.sources.is_none() {
            // Where the operating system tells nothing there are no series; everything else goes on.
            let Ok(system) = System::new() else { return };
            let (disks, networks) =
                (Disks::new_with_refreshed_list().ok(), Networks::new_with_refreshed_list().ok());
            self.sources = Some(Sources { system, disks, networks });
        }
        if let Some(sources) = &mut self.sources {
            sources.refresh();
            sources.tell(registry);
        }
    }
}

impl Sources {
    fn refresh(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        if let Some(disks) = &mut self.disks {
            disks.refresh(false);
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(false);
        }
        let own = [Pid::from_u32(std::process::id())];
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&own), false, what);
    }

    fn tell(&self, registry: &Registry) {
        // A name that the program took for another kind is left to the program.
        let set = |name: &str, labels: &[(&str, &str)], value: f64| {
            if let Ok(gauge) = registry.gauge(name, labels) {
                gauge.set(value);
            }
        };
        let count = |name: &str, labels: &[(&str, &str)], value: u64| {
            if let Ok(counter) = registry.counter(name, labels) {
                counter.raise_to(value as f64);
            }
        };
        let system = &self.system;
        for cpu in system.cpus() {
            set("system_cpu_usage", &[("cpu", cpu.name())], f64::from(cpu.usage()) / 100.0);
        }
        set("system_memory_total", &[], system.total_memory() as f64);
        set("system_memory_used", &[], system.used_memory() as f64);
        set("system_memory_available", &[], system.available_memory() as f64);
        set("system_swap_used_bytes", &[], system.used_swap() as f64);
        if let Ok(load) = System::load_average() {
            for (window, value) in [("1m", load.one), ("5m", load.five), ("15m", load.fifteen)] {
                set("system_load_average", &[("window", window)], value);
            }
        }
        let mut mounts = BTreeSet::new();
        for disk in self.disks.iter().flat_map(|disks| disks.iter()) {
            let mount = disk.mount_point().to_string_lossy().into_owned();
            // A device that is mounted twice at one place would be told twice.
            if mounts.insert(mount.clone()) {
                set("system_disk_total_bytes", &[("mount", &mount)], disk.total_space() as f64);
                set("system_disk_available_bytes", &[("mount", &mount)], disk.available_space() as f64);
            }
        }
        for (device, network) in self.networks.iter().flat_map(|networks| networks.iter()) {
            let device = device.to_string_lossy();
            let device = [("device", &*device)];
            count("system_network_receive_bytes_total", &device, network.total_received());
            count("system_network_transmit_bytes_total", &device, network.total_transmitted());
        }
        if let Some(process) = system.process(Pid::from_u32(std::process::id())) {
            set("process_resident_memory_bytes", &[], process.memory() as f64);
            set("process_virtual_memory_bytes", &[], process.virtual_memory() as f64);
            set("process_cpu_usage", &[], f64::from(process.cpu_usage()) / 100.0);
            set("process_start_time_seconds", &[], process.start_time() as f64);
        }
    }
}

/// Collects for a collector that does not do so at every flush.
pub(crate) fn collect_once(registry: &Registry) {
    static SYSTEM: OnceLock<Mutex<SystemMetrics>> = OnceLock::new();
    let system = SYSTEM.get_or_init(Mutex::default);
    system.lock().unwrap_or_else(PoisonError::into_inner).collect(registry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_processors() {
        let registry = Registry::default();
        let mut system = SystemMetrics::default();
        system.collect(&registry);
        system.collect(&registry);
        let gauge = |name| registry.gauge(name, &[]).expect("a gauge").get();
        assert!(gauge("system_memory_total") > 0.0);
        assert!(gauge("system_memory_used") > 0.0);
        assert!(gauge("process_resident_memory_bytes") > 0.0);
        let names: BTreeSet<_> =
            registry.read(1).iter().filter_map(|r| r.labels.metric_name().map(str::to_owned)).collect();
        assert!(names.contains("system_cpu_usage"), "{names:?}");
    }
}
