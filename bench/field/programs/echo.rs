// SPDX-License-Identifier: MIT
// echo <threads>: an echo server with a tokio task per connection; server.hpp says how it is
// measured.
mod measure;

use std::io::BufRead;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn compute(steps: u64) -> u64 {
    let mut x = 88172645463325252u64;
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

/// The steps of a computation that takes 20 ms.
fn calibrate() -> u64 {
    const TRIAL: u64 = 500_000;
    let mut best = 1.0f64;
    for _ in 0..10 {
        let begin = Instant::now();
        assert!(compute(TRIAL) != 0);
        best = best.min(begin.elapsed().as_secs_f64());
    }
    (0.02 / best * TRIAL as f64) as u64
}

async fn echo(mut stream: TcpStream, heavy: u64) {
    let mut buffer = [0u8; 4096];
    loop {
        let size = match stream.read(&mut buffer).await {
            Ok(size) if size > 0 => size,
            _ => return,
        };
        match buffer[0] {
            b'H' => assert!(compute(heavy) != 0),
            b'W' => assert!(compute(50 * heavy) != 0),
            _ => (),
        }
        if stream.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

fn control() {
    for _ in std::io::stdin().lock().lines() {
        let used = measure::usage();
        println!(
            "{}.{:06} {}.{:06}",
            used.ru_utime.tv_sec, used.ru_utime.tv_usec, used.ru_stime.tv_sec, used.ru_stime.tv_usec
        );
    }
    std::process::exit(0);
}

fn main() {
    let heavy = calibrate();
    measure::runtime(measure::argument(1, 1)).block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("port={}", listener.local_addr().unwrap().port());
        std::thread::spawn(control);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(echo(stream, heavy));
        }
    });
}
