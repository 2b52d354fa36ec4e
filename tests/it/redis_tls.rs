//! `rediss://` speaks TLS.

use hero_supervisor::adapters::redis::{RedisConfig, RedisQueue};
use hero_supervisor::ports::queue_maintenance::QueueMaintenance;
use hero_supervisor::ports::store_fault::StoreFault;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// First byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

#[tokio::test]
async fn a_tls_url_begins_with_a_handshake_and_a_server_without_tls_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    let queue = RedisQueue::new(RedisConfig { url, ..RedisConfig::default() }).unwrap();
    let (probed, first) = tokio::join!(queue.probe(), async {
        let (mut caller, _address) = listener.accept().await.unwrap();
        caller.read_u8().await.unwrap()
    });
    assert_eq!(first, HANDSHAKE);
    assert!(
        matches!(
            probed.as_ref().map_err(|error| error.fault()),
            Err(StoreFault::Unavailable(_) | StoreFault::TimedOut { .. })
        ),
        "{probed:?}"
    );
}
