// SPDX-License-Identifier: MIT
// What the Rust programs share: arguments, runtimes, the process's figures, delays.
#![allow(dead_code)]

use std::time::Duration;

pub fn argument(index: usize, otherwise: usize) -> usize {
    std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One thread gets the runtime that is made for one.
pub fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().unwrap()
}

pub fn usage() -> libc::rusage {
    unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut used);
        used
    }
}

pub fn processor_seconds() -> f64 {
    let used = usage();
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(used.ru_utime) + seconds(used.ru_stime)
}

/// Bytes; of this program. Not from getrusage, which remembers what the process was before exec.
pub fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
        .map_or(0.0, |kibibytes| kibibytes * 1024.0)
}

pub fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// The median of what `round` gives, which is called `rounds` times.
pub fn median_of(rounds: usize, mut round: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..rounds).map(|_| round()).collect();
    figures.sort_by(|a, b| a.partial_cmp(b).unwrap());
    figures[rounds / 2]
}

/// Milliseconds.
pub fn report_delays(what: &str, delays: &mut Vec<f64>) {
    delays.sort_by(|a, b| a.partial_cmp(b).unwrap());
    for (name, part) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("worst", 1.0)] {
        let index = ((delays.len() - 1) as f64 * part) as usize;
        println!("{}_{}_ms={}", what, name, delays[index]);
    }
}
