// SPDX-License-Identifier: MIT
// sleepers <tasks> <milliseconds>: the same as sleepers_aloft with tokio's tasks.
mod measure;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let count = measure::argument(1, 100_000);
    let time = Duration::from_millis(measure::argument(2, 1_000) as u64);
    let runtime = measure::runtime(2);
    let before = measure::peak_memory();
    let ended = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let start = {
        let ended = ended.clone();
        async move {
            for _ in 0..count {
                let ended = ended.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        }
    };
    runtime.block_on(runtime.spawn(start)).unwrap();
    while ended.load(Ordering::Relaxed) < count {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("beyond_s={}", begin.elapsed().as_secs_f64() - time.as_secs_f64());
    println!("bytes_per_task={}", (measure::peak_memory() - before) / count as f64);
}
