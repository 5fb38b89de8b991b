// SPDX-License-Identifier: MIT
// hog <hogs> <threads>: the same as hog_aloft with tokio's tasks.
mod measure;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Wakes = Arc<Mutex<Vec<(Instant, Duration)>>>;

async fn sleeps(wakes: Wakes) {
    loop {
        let due = Instant::now() + Duration::from_millis(1);
        tokio::time::sleep_until(due.into()).await;
        wakes.lock().unwrap().push((due, due.elapsed()));
    }
}

async fn computes() {
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {}
}

fn main() {
    let hogs = measure::argument(1, 1);
    let runtime = measure::runtime(measure::argument(2, 2));
    let wakes: Wakes = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..100 {
        runtime.spawn(sleeps(wakes.clone()));
    }
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    let all: Vec<_> = (0..hogs).map(|_| runtime.spawn(computes())).collect();
    for each in all {
        runtime.block_on(each).unwrap();
    }
    let end = Instant::now();
    std::thread::sleep(Duration::from_millis(50)); // some sleepers may be late until then
    let mut delays: Vec<f64> = wakes
        .lock()
        .unwrap()
        .iter()
        .filter(|(due, _)| *due >= begin && *due < end)
        .map(|(_, late)| late.as_secs_f64() * 1e3)
        .collect();
    measure::report_delays("sleep", &mut delays);
}
