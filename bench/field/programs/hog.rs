// SPDX-License-Identifier: MIT
// hog <hogs> <threads>: the sleeping tasks of hog_aloft, with tokio's tasks.
mod measure;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

struct Delays {
    counts: AtomicBool,
    sleeps: Mutex<Vec<f64>>,
}

async fn sleeps(seen: Arc<Delays>) {
    loop {
        let due = Instant::now() + Duration::from_millis(1);
        tokio::time::sleep_until(due.into()).await;
        if seen.counts.load(Ordering::SeqCst) {
            let late = due.elapsed().as_secs_f64() * 1e3;
            seen.sleeps.lock().unwrap().push(late);
        }
    }
}

async fn computes(seen: Arc<Delays>) {
    seen.counts.store(true, Ordering::SeqCst);
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {}
    seen.counts.store(false, Ordering::SeqCst);
}

fn main() {
    let hogs = measure::argument(1, 1);
    let runtime = measure::runtime(measure::argument(2, 2));
    let seen = Arc::new(Delays { counts: AtomicBool::new(false), sleeps: Mutex::new(Vec::new()) });
    for _ in 0..100 {
        runtime.spawn(sleeps(seen.clone()));
    }
    std::thread::sleep(Duration::from_millis(300));
    let all: Vec<_> = (0..hogs).map(|_| runtime.spawn(computes(seen.clone()))).collect();
    for each in all {
        runtime.block_on(each).unwrap();
    }
    let mut delays = seen.sleeps.lock().unwrap().split_off(0);
    if delays.is_empty() {
        delays.push(1e3); // nobody ran as long as the hogs did
    }
    measure::report_delays("sleep", &mut delays);
}
