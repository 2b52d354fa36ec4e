//! What every job queue promises, on memory and on a real Redis.

mod basics;
mod bench;

use bench::Kind;

/// Runs the same functions on every adapter.
macro_rules! on_every_queue {
    ($($suite:ident :: $name:ident),* $(,)?) => {
        mod on_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$suite::$name(super::Kind::Redis).await;
            })*
        }
    };
}

on_every_queue! {
    basics::a_job_is_submitted_taken_finished_and_awaited,
}
