//! Certificates and keys in PEM, with the fault of a text that has none.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Begin of a private key with a passphrase.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// Returns the certificates; at least one.
///
/// # Errors
/// The fault as the end of a sentence that begins with the file.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    let certificates = read.map_err(|error| format!("is not PEM: {error}"))?;
    match certificates.is_empty() {
        true => Err("has no certificate: it must have blocks of BEGIN CERTIFICATE (PEM)".to_owned()),
        false => Ok(certificates),
    }
}

/// Returns the first private key.
///
/// # Errors
/// The fault as the end of a sentence that begins with the file.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of a parser are open; the others tell themselves"
)]
pub(crate) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound if contains(text, ENCRYPTED) => {
            "has a passphrase, which nobody could type: write it without one (openssl pkey -in … -out …)"
                .to_owned()
        }
        pem::Error::NoItemsFound => {
            "has no private key: it must have a block of BEGIN PRIVATE KEY (PEM)".to_owned()
        }
        other => format!("is not PEM: {other}"),
    })
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
