//! The trust in the certificate of a client, for as long as its connection is open.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;

use crate::tls::ServerTls;

/// The end of the trust in a client: none of the client CAs that are loaded vouches for its certificate any more.
pub(super) struct Trust {
    lost: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Trust {
    /// Trusts a client whose chain the handshake has verified; None without a certificate.
    pub(super) fn new(tls: &Arc<ServerTls>, chain: &[CertificateDer<'_>]) -> Option<Self> {
        if chain.is_empty() {
            return None;
        }
        let (tls, mut loads) = (Arc::clone(tls), tls.loads());
        let chain: Vec<CertificateDer<'static>> = chain.iter().map(|der| der.clone().into_owned()).collect();
        // Files may have been loaded since the handshake.
        loads.mark_changed();
        let lost = async move {
            while loads.changed().await.is_ok() {
                if !tls.active().vouches_for(&chain) {
                    return;
                }
            }
            // Nothing is loaded any more.
            std::future::pending().await
        };
        Some(Self { lost: Box::pin(lost) })
    }

    /// Is ready once, when the trust is lost.
    pub(super) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.lost.as_mut().poll(cx)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}
