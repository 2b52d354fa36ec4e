//! Users and groups of this machine, by name or number.

use nix::unistd::{Gid, Group, User};

/// A group and the users that are its members beside those whose main group it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Members {
    pub(super) gid: u32,
    pub(super) members: Vec<u32>,
}

/// Returns the number of a user.
///
/// # Errors
/// A name that this machine does not know.
pub(super) fn user(name: &str) -> Result<u32, String> {
    if let Ok(uid) = name.parse() {
        return Ok(uid);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(format!("{name:?} is no user of this machine: use a name or a number that it knows")),
        Err(error) => Err(format!("{name:?} cannot be looked up: {error}")),
    }
}

/// Returns a group.
///
/// # Errors
/// A name that this machine does not know.
pub(super) fn group(name: &str) -> Result<Members, String> {
    let found = match name.parse() {
        Ok(gid) => Group::from_gid(Gid::from_raw(gid)),
        Err(_name) => Group::from_name(name),
    };
    match (found, name.parse()) {
        (Ok(Some(group)), _) => {
            let members = group.mem.iter().filter_map(|name| user(name).ok()).collect();
            Ok(Members { gid: group.gid.as_raw(), members })
        }
        (Ok(None), Ok(gid)) => Ok(Members { gid, members: Vec::new() }),
        (Ok(None), Err(_)) => {
            Err(format!("{name:?} is no group of this machine: use a name or a number that it knows"))
        }
        (Err(error), _) => Err(format!("{name:?} cannot be looked up: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_known_and_other_words_are_not() {
        assert_eq!(user("root"), Ok(0));
        assert_eq!(user("4711"), Ok(4711));
        assert!(user("no-such-user-here").unwrap_err().contains("no user"));
        assert_eq!(group("root").map(|group| group.gid), Ok(0));
        assert_eq!(group("4711").map(|group| group.gid), Ok(4711));
        assert!(group("no-such-group-here").unwrap_err().contains("no group"));
    }
}
