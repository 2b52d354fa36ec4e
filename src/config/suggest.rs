//! Suggestions for misspelled keys.

/// Returns the description of a key that is not among `all`, with similar keys if there are any.
pub(super) fn unknown_key(key: &str, all: &[&str]) -> String {
    let similar =
        |known: &&str| known.starts_with(key) || key.starts_with(known) || differ_little(key, known);
    match all.iter().copied().filter(similar).collect::<Vec<_>>().as_slice() {
        [] => format!("is not a setting: known are {}", all.join(", ")),
        near => format!("is not a setting: did you mean {}?", near.join(" or ")),
    }
}

/// Returns true if two words differ within at most two neighbouring letters.
fn differ_little(a: &str, b: &str) -> bool {
    let common_start = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (&a.as_bytes()[common_start..], &b.as_bytes()[common_start..]);
    let common_end = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(x, y)| x == y).count();
    rest_a.len().max(rest_b.len()) - common_end <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        for slip in ["lsten", "listenn", "lisetn", "list"] {
            assert_eq!(unknown_key(slip, &["listen", "lease"]), "is not a setting: did you mean listen?");
        }
        assert_eq!(unknown_key("colour", &["listen", "lease"]), "is not a setting: known are listen, lease");
    }
}
