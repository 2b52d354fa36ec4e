//! Becoming another user.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, Uid, User, getgroups, initgroups, setgroups, setresgid, setresuid};

use crate::domain::model::confinement::RunAs;

/// A user and groups as the kernel knows them.
#[derive(Debug)]
pub(super) struct Identity {
    uid: Uid,
    gid: Gid,
    groups: Groups,
    /// Name of the user, for messages.
    name: String,
}

#[derive(Debug)]
enum Groups {
    These(Vec<Gid>),
    /// Groups that the system lists for this user.
    Of(CString),
}

impl Identity {
    /// Looks it up; while the files of the system can still be read.
    pub(super) fn of(run_as: &RunAs) -> io::Result<Self> {
        let user = match run_as.user.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number))?,
            Err(_name) => User::from_name(&run_as.user)?,
        };
        let uid = match (&user, run_as.user.parse()) {
            (Some(user), _) => user.uid,
            (None, Ok(number)) => Uid::from_raw(number),
            (None, Err(_name)) => return Err(missing("user", &run_as.user)),
        };
        let gid = match (&run_as.group, &user) {
            (Some(group), _) => group_id(group)?,
            (None, Some(user)) => user.gid,
            (None, None) => {
                let fault =
                    format!("user {} is not known here, so that its group has to be named", run_as.user);
                return Err(io::Error::new(io::ErrorKind::NotFound, fault));
            }
        };
        let groups = match (run_as.supplementary_groups.as_slice(), user) {
            ([], Some(user)) => Groups::Of(CString::new(user.name)?),
            ([], None) => Groups::These(Vec::new()),
            (groups, _) => {
                Groups::These(groups.iter().map(|group| group_id(group)).collect::<io::Result<_>>()?)
            }
        };
        Ok(Self { uid, gid, groups, name: run_as.user.clone() })
    }

    /// Becomes it, with no way back.
    pub(super) fn assume(&self) -> io::Result<()> {
        if !Uid::effective().is_root() {
            return self.is_already_so();
        }
        match &self.groups {
            Groups::These(groups) => setgroups(groups),
            Groups::Of(name) => initgroups(name, self.gid),
        }
        .map_err(|error| self.refused(error))?;
        setresgid(self.gid, self.gid, self.gid).map_err(|error| self.refused(error))?;
        setresuid(self.uid, self.uid, self.uid).map_err(|error| self.refused(error))
    }

    /// Only root can become somebody else.
    fn is_already_so(&self) -> io::Result<()> {
        let same_groups = match &self.groups {
            Groups::Of(_name) => true,
            Groups::These(groups) => {
                let has = getgroups()?;
                groups.iter().all(|group| has.contains(group))
            }
        };
        if self.uid == Uid::effective() && self.gid == Gid::effective() && same_groups {
            return Ok(());
        }
        let own = Uid::effective();
        let fault = format!(
            "cannot run as user {}: the process manager runs as user {own}, and only root can become somebody else",
            self.name
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, fault))
    }

    fn refused(&self, error: nix::Error) -> io::Error {
        io::Error::new(
            io::Error::from(error).kind(),
            format!("cannot run as user {}: {}", self.name, error.desc()),
        )
    }
}

fn group_id(group: &str) -> io::Result<Gid> {
    match group.parse() {
        Ok(number) => Ok(Gid::from_raw(number)),
        Err(_name) => Group::from_name(group)?.map(|group| group.gid).ok_or_else(|| missing("group", group)),
    }
}

fn missing(what: &str, name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {what} {name:?} on this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_as(user: &str) -> RunAs {
        RunAs { user: user.to_owned(), ..RunAs::default() }
    }

    #[test]
    fn names_and_numbers_are_looked_up() {
        assert_eq!(Identity::of(&run_as("root")).unwrap().uid, Uid::from_raw(0));
        assert_eq!(Identity::of(&run_as("0")).unwrap().gid, Gid::from_raw(0));
        let unknown = Identity::of(&RunAs { group: Some("4321".to_owned()), ..run_as("54321") }).unwrap();
        assert_eq!((unknown.uid.as_raw(), unknown.gid.as_raw()), (54321, 4321));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let fault = |run_as: &RunAs| Identity::of(run_as).unwrap_err().to_string();
        assert_eq!(fault(&run_as("no-such-user")), "there is no user \"no-such-user\" on this machine");
        let group = RunAs { group: Some("no-such-group".to_owned()), ..run_as("root") };
        assert_eq!(fault(&group), "there is no group \"no-such-group\" on this machine");
        assert!(fault(&run_as("54321")).contains("its group has to be named"));
    }
}
