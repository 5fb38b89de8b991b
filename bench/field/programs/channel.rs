// SPDX-License-Identifier: MIT
// channel <round trips> <items>: the same as channel_aloft with tokio's bounded channels.
mod measure;

use std::time::Instant;
use tokio::sync::mpsc;

async fn answers(mut from: mpsc::Receiver<usize>, to: mpsc::Sender<usize>) {
    while let Some(value) = from.recv().await {
        to.send(value + 1).await.unwrap();
    }
}

async fn asks(to: mpsc::Sender<usize>, mut from: mpsc::Receiver<usize>, count: usize) {
    for i in 0..count {
        to.send(i).await.unwrap();
        assert_eq!(from.recv().await, Some(i + 1));
    }
}

async fn produces(to: mpsc::Sender<usize>, count: usize) {
    for i in 0..count {
        to.send(i).await.unwrap();
    }
}

async fn consumes(mut from: mpsc::Receiver<usize>, count: usize) {
    let mut sum = 0;
    while let Some(value) = from.recv().await {
        sum += value;
    }
    assert_eq!(sum, count * (count - 1) / 2);
}

fn main() {
    let trips = measure::argument(1, 100_000);
    let items = measure::argument(2, 1_000_000);
    let runtime = measure::runtime(2);

    let (there, from_there) = mpsc::channel(64);
    let (back, from_back) = mpsc::channel(64);
    let begin = Instant::now();
    runtime.spawn(answers(from_there, back));
    runtime.block_on(runtime.spawn(asks(there, from_back, trips))).unwrap();
    println!("round_trip_ns={}", measure::nanoseconds(begin.elapsed()) / trips as f64);

    let (to, from) = mpsc::channel(64);
    let begin = Instant::now();
    runtime.spawn(produces(to, items));
    runtime.block_on(runtime.spawn(consumes(from, items))).unwrap();
    println!("item_ns={}", measure::nanoseconds(begin.elapsed()) / items as f64);
}
