//! Measures one run in one process, and reports it as a line of JSON.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::{Mode, Options};

/// Measures from its start: time, CPU, wake-ups, latencies.
pub struct Meter {
    begun: Instant,
    usage: Usage,
    latencies: Vec<u32>,
}

impl Meter {
    /// To be called when the client is connected and knows the topic, before the first record.
    pub fn start(options: &Options) -> Self {
        let latencies = if options.mode == Mode::Sync { options.records as usize } else { 0 };
        let latencies = Vec::with_capacity(latencies);
        Self { begun: Instant::now(), usage: usage(), latencies }
    }

    /// How long one record took from `send` to its acknowledgement.
    pub fn latency(&mut self, latency: Duration) {
        self.latencies.push(latency.as_nanos().try_into().unwrap_or(u32::MAX));
    }

    /// Those that a thread has measured by itself, in nanoseconds.
    pub fn latencies(&mut self, latencies: &[u32]) {
        self.latencies.extend_from_slice(latencies);
    }

    /// To be called when every record has its outcome. Prints the report: counts, seconds, CPU in nanoseconds per
    /// record, voluntary context switches, memory in KiB, latencies in microseconds.
    pub fn finish(mut self, acknowledged: u64, failed: u64, options: &Options) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let usage = usage();
        let user = (usage.user_time() - self.usage.user_time()).num_microseconds() as f64 / 1e6;
        let system = (usage.system_time() - self.usage.system_time()).num_microseconds() as f64 / 1e6;
        let waits = usage.voluntary_context_switches() - self.usage.voluntary_context_switches();
        let records = options.records as f64;
        self.latencies.sort_unstable();
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| self.quantile(share));
        println!(
            "{{\"records\":{},\"acknowledged\":{acknowledged},\"failed\":{failed},\"seconds\":{seconds:.6},\
             \"user\":{user:.6},\"system\":{system:.6},\"cpu_ns\":{:.2},\"waits\":{waits},\
             \"rss_kib\":{},\"peak_kib\":{},\"p50_us\":{p50},\"p99_us\":{p99},\"p999_us\":{p999}}}",
            options.records,
            (user + system) * 1e9 / records,
            status("VmRSS:"),
            status("VmHWM:"),
        );
    }

    fn quantile(&self, share: f64) -> String {
        let Some(last) = self.latencies.len().checked_sub(1) else { return "null".into() };
        let at = (self.latencies.len() as f64 * share) as usize;
        format!("{:.1}", f64::from(self.latencies[at.min(last)]) / 1e3)
    }
}

fn usage() -> Usage {
    getrusage(UsageWho::RUSAGE_SELF).expect("the system keeps account of this process")
}

/// A line of `/proc/self/status`, in KiB; 0 where there is none.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
