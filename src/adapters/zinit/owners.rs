//! Owners of services. Zinit is shared, so a service of an actor's name may be somebody else's: an actor never takes
//! over, stops or deletes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::MutexGuard;

use crate::lock::Lock;
use crate::ports::process_manager::{ACTOR_MARK, ProcessError, REALM_MARK};

/// Variables of a service, as it was defined with them.
pub(super) type Env = BTreeMap<String, String>;

/// Knowledge about owners.
#[derive(Debug, Default)]
pub(super) struct Owners {
    inner: Lock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Records by which processes were made; the supervisor's own, now and before they were lost.
    realms: BTreeSet<String>,
    /// Listed services by name: the pid when it was looked whose they are, and whether they are foreign.
    listed: HashMap<String, (Option<u32>, bool)>,
}

/// Reason for which a service is not ours, in words that go behind its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign(String);

impl Owners {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Adds records whose processes are ours.
    pub(super) fn add_realm(&self, realm: &str) {
        let mut inner = self.inner();
        if inner.realms.insert(realm.to_owned()) {
            inner.listed.clear();
        }
    }

    /// Checks that a service of this name with this environment is ours. While no records are known, the actor's name
    /// decides.
    pub(super) fn judge(&self, name: &str, env: &Env) -> Result<(), Foreign> {
        let Some(actor) = env.get(ACTOR_MARK) else {
            return Err(Foreign(format!("was not made for an actor (it has no {ACTOR_MARK})")));
        };
        if actor != name {
            return Err(Foreign(format!("was made for actor {actor:?} ({ACTOR_MARK})")));
        }
        let realms = &self.inner().realms;
        match env.get(REALM_MARK) {
            Some(realm) if !realms.is_empty() && !realms.contains(realm) => Err(Foreign(format!(
                "was made for the actor {actor:?} of another Redis, or of this one before it lost its data ({REALM_MARK} {realm})"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns true if a listed service is known to be foreign; None when it has to be looked at first.
    pub(super) fn known(&self, name: &str, pid: Option<u32>) -> Option<bool> {
        self.inner().listed.get(name).filter(|(seen, _foreign)| *seen == pid).map(|(_pid, foreign)| *foreign)
    }

    /// Notes whose a listed service is; answers with whether it is foreign.
    pub(super) fn note(&self, name: &str, pid: Option<u32>, env: &Env) -> bool {
        let foreign = self.judge(name, env).is_err();
        self.inner().listed.insert(name.to_owned(), (pid, foreign));
        foreign
    }

    /// Forgets what is no longer listed.
    pub(super) fn keep_listed(&self, listed: impl Fn(&str) -> bool) {
        self.inner().listed.retain(|name, _seen| listed(name));
    }

    /// Returns true if the service of this name was foreign when it was listed last. Nothing of its log is shown.
    pub(super) fn is_foreign(&self, name: &str) -> bool {
        self.inner().listed.get(name).is_some_and(|(_pid, foreign)| *foreign)
    }
}

impl Foreign {
    /// The refusal to touch a service.
    pub(super) fn refusal(&self, name: &str) -> ProcessError {
        let Self(why) = self;
        let advice = "it is left as it is: choose another name for the actor, or remove the service yourself";
        ProcessError::Rejected {
            reason: format!("the service {name:?} of zinit belongs to somebody else: it {why}; {advice}"),
        }
    }

    /// The refusal to overwrite the file of a service that does not run.
    pub(super) fn refusal_of_file(&self, name: &str, file: &str) -> ProcessError {
        let Self(why) = self;
        let advice = "it is left as it is: choose another name for the actor, or remove the file yourself";
        ProcessError::Rejected {
            reason: format!(
                "the service file {file} of {name:?} belongs to somebody else: it {why}; {advice}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_service_is_ours_by_its_marks() {
        let owners = Owners::default();
        let ours = env(&[(ACTOR_MARK, "a"), (REALM_MARK, "r1")]);
        let unsigned = env(&[(ACTOR_MARK, "a")]);
        for known in [&ours, &unsigned] {
            assert_eq!(owners.judge("a", known), Ok(()));
        }
        for foreign in [&env(&[]), &env(&[("PATH", "/bin")]), &env(&[(ACTOR_MARK, "b")])] {
            assert!(owners.judge("a", foreign).is_err(), "{foreign:?}");
        }
        owners.add_realm("r2");
        assert!(owners.judge("a", &ours).is_err(), "of other records");
        assert_eq!(owners.judge("a", &unsigned), Ok(()), "made while Redis was away");
        owners.add_realm("r1");
        assert_eq!(owners.judge("a", &ours), Ok(()), "records that we had before");
    }

    #[test]
    fn what_is_listed_is_looked_at_again_when_its_process_is_another_one() {
        let owners = Owners::default();
        assert_eq!(owners.known("a", Some(1)), None);
        assert!(owners.note("a", Some(1), &env(&[])));
        assert_eq!((owners.known("a", Some(1)), owners.is_foreign("a")), (Some(true), true));
        assert_eq!(owners.known("a", Some(2)), None);
        owners.add_realm("r");
        assert_eq!(owners.known("a", Some(1)), None);
        owners.note("a", None, &env(&[(ACTOR_MARK, "a")]));
        owners.keep_listed(|name| name != "a");
        assert_eq!((owners.known("a", None), owners.is_foreign("a")), (None, false));
    }

    #[test]
    fn a_refusal_names_the_service_and_its_owner() {
        let owners = Owners::default();
        let refused = owners.judge("mydb", &env(&[])).unwrap_err().refusal("mydb").to_string();
        assert!(refused.contains("\"mydb\"") && refused.contains("was not made for an actor"), "{refused}");
        let refused = owners.judge("a", &env(&[(ACTOR_MARK, "b")])).unwrap_err();
        let refused = refused.refusal_of_file("a", "/etc/zinit/a.yaml").to_string();
        assert!(refused.contains("/etc/zinit/a.yaml") && refused.contains("actor \"b\""), "{refused}");
    }
}
