//! Tokens: `hst_<id>_<secret>_<check>`.
//!
//! The id is public. The secret has 256 bits, so its SHA-256 can be stored as it is: nobody can try all of them, and a slow hash
//! would only cost time on each call. The check sum lets scanners of logs and repositories recognise a token for sure.

use sha2::{Digest, Sha256};

/// Prefix of every token.
pub(super) const PREFIX: &str = "hst_";
/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;
/// Random bytes of an id.
pub const ID_BYTES: usize = 12;
/// Characters of an id. None of them can be mistaken for another one.
const ID_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of secrets and check sums.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of a secret: 62^43 is more than 2^256.
const SECRET_CHARS: usize = 43;
/// Characters of a check sum: 62^6 is more than 2^32.
const CHECK_CHARS: usize = 6;
/// Longest id that is accepted.
const LONGEST_ID: usize = 64;

/// A token that is well-formed, in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenText<'a> {
    /// The public id.
    pub id: &'a str,
    secret: &'a str,
}

impl<'a> TokenText<'a> {
    /// Takes a token apart; None for any other text.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (body, check) = text.rsplit_once('_')?;
        let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
        let well_formed = is_id(id)
            && secret.len() == SECRET_CHARS
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && check == check_sum(body);
        well_formed.then_some(Self { id, secret })
    }

    /// Returns the SHA-256 of the secret.
    pub fn digest(&self) -> [u8; 32] {
        digest_of(self.secret)
    }
}

/// A token that was just made. Its secret is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The public id.
    pub id: String,
    /// The whole token, to be shown once.
    pub text: String,
    /// The SHA-256 of its secret, to be stored.
    pub digest: [u8; 32],
}

impl NewToken {
    /// Makes the token of an id from random bytes.
    pub fn new(id: &str, random: &[u8; SECRET_BYTES]) -> Self {
        let secret = encode(random, SECRET_CHARS);
        let body = format!("{PREFIX}{id}_{secret}");
        let text = format!("{body}_{}", check_sum(&body));
        Self { id: id.to_owned(), text, digest: digest_of(&secret) }
    }
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Makes an id from random bytes.
pub fn new_id(random: &[u8; ID_BYTES]) -> String {
    random.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)])).collect()
}

/// Returns true for a well-formed id: lower-case letters, digits and dashes.
pub fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(fits)
}

fn digest_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn check_sum(body: &str) -> String {
    encode(&crc32(body.as_bytes()).to_be_bytes(), CHECK_CHARS)
}

/// Writes a big number in base 62, with leading zeros.
fn encode(bytes: &[u8], chars: usize) -> String {
    let mut number = bytes.to_vec();
    let mut text = vec![BASE62[0]; chars];
    for place in text.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            // Less than 256, because the rest is less than 62.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *place = BASE62[rest as usize];
    }
    text.into_iter().map(char::from).collect()
}

/// The check sum of zip and PNG (CRC-32, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _bit in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_apart_as_it_was_made() {
        for seed in [0_u8, 1, 127, 255] {
            let id = new_id(&[seed; ID_BYTES]);
            let token = NewToken::new(&id, &[seed; SECRET_BYTES]);
            let parsed = TokenText::parse(&token.text).unwrap();
            assert_eq!((parsed.id, parsed.digest()), (id.as_str(), token.digest));
            assert_eq!(token.text.len(), 4 + 12 + 1 + 43 + 1 + 6);
            assert!(!format!("{token:?}").contains(parsed.secret));
        }
    }

    #[test]
    fn a_slip_in_any_character_is_noticed() {
        let token = NewToken::new("k3v9q2m7xa1c", &[7; SECRET_BYTES]).text;
        for at in 0..token.len() {
            let mut slipped = token.clone().into_bytes();
            slipped[at] = if slipped[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(TokenText::parse(std::str::from_utf8(&slipped).unwrap()), None, "{at}");
        }
        for wrong in
            ["", "hst_", "hst___", "hst_a_b_c", &token[1..], &format!("{token}0"), &token.to_uppercase()]
        {
            assert_eq!(TokenText::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_and_check_sums_are_those_of_everybody() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(encode(&61_u32.to_be_bytes(), 2), "0z");
        assert_eq!(encode(&62_u32.to_be_bytes(), 2), "10");
        assert_eq!(encode(&[255; 32], SECRET_CHARS), "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
    }
}
