//! The threads that share the work: one per core, or as many as the system allows.
//!
//! A container with a limit of processes or a shared host may allow fewer threads than there are cores. rayon panics where it cannot
//! start all of its threads, and gives no second chance, so they are started here and handed to it.

use std::sync::mpsc::{self, Sender};
use std::{io, thread};

use rayon::{ThreadBuilder, ThreadPoolBuilder};
use trainer::support::memory;
use trainer::support::text::counted;

use super::output::warn;

/// Threads at most, whatever is requested: of more than there are cores each only costs.
const MOST: usize = 256;

/// Addresses that a thread takes before it has done anything, under a limit of these (`ulimit -v`), with room for another that starts at the
/// same time: its stack, its allocator's first pages, its signal stack. With less, threads start and then cannot set themselves up, which
/// ends the process.
const ADDRESSES: u64 = 128 << 20;

/// Starts the threads, once, before anything uses them. Without any, the work is done by the calling thread.
pub fn start() {
    let wanted = wanted();
    let room = memory::addresses_left().map_or(MOST as u64, |left| left / ADDRESSES).min(MOST as u64) as usize;
    let (mut workers, refusal) = spawn(wanted.min(room));
    let refusal = match refusal {
        Some(error) => {
            // One is given back for what else needs a thread: Ctrl-C, a download.
            workers.pop();
            Some(error.to_string())
        }
        None if wanted > MOST => Some(format!("{MOST} are the most")),
        None if wanted > room => Some("its limit of memory leaves room for fewer".to_owned()),
        None => None,
    };
    if let Some(reason) = refusal {
        let count = workers.len().max(1);
        warn(&format!(
            "NOTE: the system does not allow {} ({reason}); this continues with {count}. \
             RAYON_NUM_THREADS={count} requests no more",
            counted(wanted, "thread")
        ));
    }
    let built = match workers.len() {
        0 => ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global(),
        count => {
            let mut workers = workers.into_iter();
            let hand_over = |worker: ThreadBuilder| {
                let gone = || io::Error::other("a thread has ended");
                workers.next().and_then(|thread| thread.send(worker).ok()).ok_or_else(gone)
            };
            ThreadPoolBuilder::new().num_threads(count).spawn_handler(hand_over).build_global()
        }
    };
    // Nobody else has built it, and the threads are there.
    debug_assert!(built.is_ok(), "{built:?}");
}

/// As many as rayon would start by itself.
fn wanted() -> usize {
    let requested = std::env::var("RAYON_NUM_THREADS").ok().and_then(|count| count.parse().ok());
    match requested {
        Some(count) if count > 0 => count,
        _ => thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Starts threads that wait for what they are to do; stops at the first that is not allowed.
fn spawn(wanted: usize) -> (Vec<Sender<ThreadBuilder>>, Option<io::Error>) {
    let mut workers = Vec::new();
    while workers.len() < wanted {
        let (sender, receiver) = mpsc::channel::<ThreadBuilder>();
        let work = move || {
            if let Ok(worker) = receiver.recv() {
                worker.run();
            }
        };
        match thread::Builder::new().name(format!("worker {}", workers.len())).spawn(work) {
            Ok(_) => workers.push(sender),
            Err(error) => return (workers, Some(error)),
        }
    }
    (workers, None)
}
