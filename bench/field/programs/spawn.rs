// SPDX-License-Identifier: MIT
// spawn <tasks> <threads>: the same as spawn_aloft with tokio's tasks.
mod measure;

use std::time::Instant;
use tokio::task::JoinHandle;

const ROUNDS: usize = 5;

async fn spawn_all(count: usize) {
    let handles: Vec<JoinHandle<()>> = (0..count).map(|_| tokio::spawn(async {})).collect();
    for each in handles {
        each.await.unwrap();
    }
}

async fn yields(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

fn main() {
    let count = measure::argument(1, 100_000);
    let runtime = measure::runtime(measure::argument(2, 2));
    // block_on's own future runs on this thread: a task of the pool is what is inside.
    let inside = |count| runtime.block_on(runtime.spawn(spawn_all(count))).unwrap();
    let switches = measure::usage().ru_nvcsw;
    let figure = measure::median_of(ROUNDS, || {
        let begin = Instant::now();
        inside(count);
        measure::nanoseconds(begin.elapsed()) / count as f64
    });
    println!("inside_ns={}", figure);
    let more = measure::usage().ru_nvcsw - switches;
    println!("wake_ups_per_task={}", more as f64 / (ROUNDS * count) as f64);

    let figure = measure::median_of(ROUNDS, || {
        let begin = Instant::now();
        let handles: Vec<JoinHandle<()>> = (0..count).map(|_| runtime.spawn(async {})).collect();
        runtime.block_on(async {
            for each in handles {
                each.await.unwrap();
            }
        });
        measure::nanoseconds(begin.elapsed()) / count as f64
    });
    println!("outside_ns={}", figure);

    let begin = Instant::now();
    let both = [runtime.spawn(yields(count)), runtime.spawn(yields(count))];
    runtime.block_on(async {
        for each in both {
            each.await.unwrap();
        }
    });
    println!("yield_ns={}", measure::nanoseconds(begin.elapsed()) / (2 * count) as f64);
}
