//! The tokio runtime, sized by the machine.

use std::io;
use std::num::NonZeroUsize;

use tokio::runtime::{Builder, Runtime};

/// Largest number of cores on which one thread is used. With Redis and the actors on the same cores, further threads
/// mostly wake each other.
const CORES_OF_ONE_THREAD: usize = 4;

/// Builds the runtime: with the given number of threads, or one thread on a small machine and one for each core on
/// others.
pub(super) fn build(worker_threads: Option<NonZeroUsize>) -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = match worker_threads {
        Some(threads) => threads.get(),
        None if cores <= CORES_OF_ONE_THREAD => 1,
        None => cores,
    };
    match threads {
        1 => Builder::new_current_thread().enable_all().build(),
        several => Builder::new_multi_thread().worker_threads(several).enable_all().build(),
    }
}
