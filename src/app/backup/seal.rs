//! The seal at the end of a backup: the SHA-256 of all bytes before it.
//!
//! The seal is a gzip member of its own whose bytes follow from the digest alone. So every bit of the file counts, those that gzip ignores as
//! well, and `zcat` shows the seal as the last line.

use flate2::Crc;

use crate::hex;

const BEFORE: &str = "{\"seal\":{\"sha256\":\"";
const AFTER: &str = "\"}}\n";
/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;
const CONTENT: usize = BEFORE.len() + DIGITS + AFTER.len();
/// Header of a gzip member: no name, no time, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// Bytes of a seal: the header, the head of one stored block, the content, its CRC and its length.
pub(super) const LENGTH: usize = HEADER.len() + 5 + CONTENT + 8;

/// Makes the seal of a digest.
pub(super) fn seal(digest: &[u8; 32]) -> Vec<u8> {
    let content = format!("{BEFORE}{}{AFTER}", hex::encode(digest));
    let length = u16::try_from(CONTENT).unwrap_or(0);
    let mut crc = Crc::new();
    crc.update(content.as_bytes());
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend_from_slice(&HEADER);
    // The last block, and it is stored as it is.
    bytes.push(1);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&(!length).to_le_bytes());
    bytes.extend_from_slice(content.as_bytes());
    bytes.extend_from_slice(&crc.sum().to_le_bytes());
    bytes.extend_from_slice(&u32::from(length).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_seal_is_a_gzip_member_with_the_digest() {
        let made = seal(&[0xab; 32]);
        assert_eq!(made.len(), LENGTH);
        let mut text = String::new();
        GzDecoder::new(&made[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{{\"seal\":{{\"sha256\":\"{}\"}}}}\n", "ab".repeat(32)));
    }
}
