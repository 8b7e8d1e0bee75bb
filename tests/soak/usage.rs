//! What processes use, as the kernel counts it.

use std::fs;
use std::time::Duration;

use harness::deployment::Deployment;
use harness::process::Process;

/// The clock ticks of `/proc`, on every Linux that there is.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process so far, in user and system mode.
pub(crate) fn cpu(process: &Process) -> Duration {
    ticks(&process.pid().to_string())
}

fn ticks(pid: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold anything; the fields come behind its closing bracket (proc_pid_stat(5)).
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: u32 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u32>().ok())
        .sum();
    TICK * ticks
}

/// CPU time of all brokers together.
pub(crate) fn brokers(deployment: &Deployment) -> Duration {
    deployment.brokers.iter().map(cpu).sum()
}

/// CPU time of all PostgreSQL processes of this machine; those that ended are not in it.
pub(crate) fn postgres() -> Duration {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim() == "postgres")
        })
        .map(|pid| ticks(&pid))
        .sum()
}

/// Resident memory in MiB; 0 while the process does not run.
pub(crate) fn resident(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}
