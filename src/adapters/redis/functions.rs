//! The library of Redis Functions: its text, its names, and how it gets into Redis.

/// The library as Redis loads it. A changed function needs a higher `REVISION` in `common.lua`; a changed meaning of
/// keys or arguments needs a new library beside this one, so that two versions can run together.
pub(super) const LIBRARY: &str = concat!(
    include_str!("functions/common.lua"),
    include_str!("functions/output.lua"),
    include_str!("functions/submit.lua"),
    include_str!("functions/actor.lua"),
    include_str!("functions/supervisor.lua"),
    include_str!("functions/upkeep.lua"),
    include_str!("functions/queue.lua"),
    include_str!("functions/shared.lua"),
    include_str!("functions/objects.lua"),
    include_str!("functions/events.lua"),
);

/// The function that answers with the revision of the library that is loaded.
pub(super) const REVISION_OF: &str = "hero_revision";

/// The function that is refused whenever a new job would be.
pub(super) const PROBE: &str = "hero_probe";

/// The function that marks data as these.
pub(super) const EPOCH: &str = "hero_epoch";

/// The revision of [`LIBRARY`].
pub(super) fn revision() -> i64 {
    let line = LIBRARY.lines().find_map(|line| line.strip_prefix("local REVISION = "));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// What is loaded with the current revision. A Redis that has functions of this revision keeps them.
    const DIGEST: &str = "ca4d746ed3fb60379fd0964e191211616a3e552e9df145e8f6448db1adb6746a";

    #[test]
    fn changed_functions_have_a_new_revision() {
        let digest = format!("{:x}", Sha256::digest(LIBRARY));
        assert_eq!(
            (revision(), digest.as_str()),
            (6, DIGEST),
            "the functions have changed: raise REVISION and put this digest here: {digest}"
        );
    }

    #[test]
    fn the_revision_is_read_from_the_library() {
        assert!(revision() >= 1);
        assert!(LIBRARY.starts_with("#!lua name=hero_v1\n"));
    }
}
