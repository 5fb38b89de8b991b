// SPDX-License-Identifier: MIT
// files: the reads of files_aloft with tokio: each is a blocking read in its pool of threads, which
// is what tokio::fs does. The file must be there; files_pread makes it.
mod measure;

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Instant;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 16384;

#[repr(align(4096))]
struct Block([u8; BLOCK]);

async fn reads(file: Arc<File>, number: usize, count: usize) {
    let mut state = 0x9E3779B97F4A7C15u64.wrapping_mul(number as u64 + 1);
    let mut block = Box::new(Block([0; BLOCK]));
    for _ in 0..count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let wanted = state % BLOCKS;
        let file = file.clone();
        block = tokio::task::spawn_blocking(move || {
            let size = file.read_at(&mut block.0, wanted * BLOCK as u64).unwrap();
            assert_eq!(size, BLOCK);
            block
        })
        .await
        .unwrap();
        let mut found = [0u8; 8];
        found.copy_from_slice(&block.0[..8]);
        assert_eq!(u64::from_ne_bytes(found), wanted);
    }
}

/// Milliseconds that requests have spent at the device, each counted.
fn queued(file: &File) -> f64 {
    let device = file.metadata().unwrap().dev();
    let (major, minor) = unsafe { (libc::major(device), libc::minor(device)) };
    let path = format!("/sys/dev/block/{}:{}/stat", major, minor);
    std::fs::read_to_string(path)
        .ok()
        .and_then(|text| text.split_whitespace().nth(10).and_then(|word| word.parse().ok()))
        .unwrap_or(0.0)
}

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "field_files.data".to_string());
    let count = measure::argument(2, 10_000);
    let depth = measure::argument(3, 1);
    let direct = measure::argument(4, 0) != 0;
    assert_eq!(std::fs::read(&path).unwrap().len(), BLOCK * BLOCKS as usize);
    let mut options = File::options();
    options.read(true);
    if direct {
        options.custom_flags(libc::O_DIRECT);
    }
    let file = Arc::new(options.open(&path).unwrap());
    measure::runtime(1).block_on(async {
        let queued_before = queued(&file);
        let used = measure::processor_seconds();
        let begin = Instant::now();
        let tasks: Vec<_> = (0..depth)
            .map(|i| {
                let share = count / depth + if i < count % depth { 1 } else { 0 };
                tokio::spawn(reads(file.clone(), i, share))
            })
            .collect();
        for each in tasks {
            each.await.unwrap();
        }
        let took = begin.elapsed().as_secs_f64();
        println!("cpu_us={}", (measure::processor_seconds() - used) * 1e6 / count as f64);
        println!("reads_per_s={}", count as f64 / took);
        if direct {
            println!("device_depth={}", (queued(&file) - queued_before) * 1e-3 / took);
        }
    });
}
