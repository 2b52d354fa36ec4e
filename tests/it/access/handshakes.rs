//! Handshakes that never end do not delay others.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::stage::{TlsStage, info};
use crate::support::service::LIMIT;

/// Begin of a TLS record that is longer than what is sent of it.
const HALF_A_HELLO: [u8; 9] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];

async fn slow(stage: &TlsStage, begin: &[u8]) -> Vec<TcpStream> {
    let address = stage.address();
    join_all((0..1000).map(|_each| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        stream
    }))
    .await
}

#[tokio::test]
async fn a_thousand_that_never_end_do_not_delay_others() {
    let stage = TlsStage::start(&[]).await;
    // Each begins and stops in the midst of it.
    let begun = slow(&stage, &HALF_A_HELLO).await;
    let asked = Instant::now();
    timeout(LIMIT, info(stage.client())).await.expect("an answer").unwrap();
    // Less than the limit of a handshake, after which all of them would be gone anyway.
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop(begun);
    // Each says nothing at all.
    let silent = slow(&stage, &[]).await;
    let asked = Instant::now();
    timeout(LIMIT, info(stage.client())).await.expect("an answer").unwrap();
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop(silent);
}
