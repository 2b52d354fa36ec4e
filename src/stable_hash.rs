//! A hash that is the same in every build, for what is stored or told to others. Those of the standard library may change
//! with the toolchain.

use sha2::{Digest, Sha256};

/// Returns the first 64 bits of the SHA-256 of some bytes.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_every_other_program_says_as_well() {
        // printf abc | sha256sum
        assert_eq!(stable_hash(b"abc"), 0xba78_16bf_8f01_cfea);
    }
}
