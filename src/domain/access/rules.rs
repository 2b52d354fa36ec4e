//! Rules by which certificates and users of this machine are identities.

use crate::domain::access::{Identity, IdentityKind, Pattern, Role};

/// Rule for the identity of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// A URI or DNS name in the certificate, as `spiffe://hero/backend` or `backend.example.org`.
    pub san: Pattern,
    /// The identity, without its id.
    pub identity: Identity,
}

/// Rule for the identity of a user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixRule {
    /// Users by number.
    pub uids: Vec<u32>,
    /// Main group of users.
    pub gid: Option<u32>,
    /// The identity, without its id.
    pub identity: Identity,
}

/// Returns the identity of a certificate with these names; the first rule that matches one of them holds.
pub fn by_certificate<'a>(
    rules: &[CertificateRule],
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<Identity> {
    rules.iter().find_map(|rule| {
        let name = names.clone().into_iter().find(|name| rule.san.matches(name))?;
        Some(Identity { id: name.to_owned(), ..rule.identity.clone() })
    })
}

/// Returns the identity of a user of this machine. Where no rule says something else, root and the user that runs the
/// supervisor (`own`) are admins: they could replace the supervisor anyway.
pub fn by_user(rules: &[UnixRule], own: u32, uid: u32, gid: u32) -> Option<Identity> {
    let matches = |rule: &&UnixRule| rule.uids.contains(&uid) || rule.gid == Some(gid);
    if let Some(rule) = rules.iter().find(matches) {
        return Some(Identity { id: uid.to_string(), ..rule.identity.clone() });
    }
    (uid == 0 || uid == own).then(|| Identity::new(IdentityKind::Unix, uid.to_string(), Role::Admin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(kind: IdentityKind, role: Role) -> Identity {
        Identity::new(kind, "", role)
    }

    #[test]
    fn a_certificate_is_whom_its_first_rule_names() {
        let rule = |san: &str, role| CertificateRule {
            san: Pattern::parse(san).unwrap(),
            identity: identity(IdentityKind::Certificate, role),
        };
        let rules = [rule("spiffe://hero/backend", Role::Operator), rule("spiffe://hero/*", Role::Viewer)];
        let found = by_certificate(&rules, ["x.example.org", "spiffe://hero/backend"]).unwrap();
        assert_eq!((found.id.as_str(), found.roles), ("spiffe://hero/backend", Role::Operator.into()));
        let found = by_certificate(&rules, ["spiffe://hero/frontend"]).unwrap();
        assert_eq!((found.id.as_str(), found.roles), ("spiffe://hero/frontend", Role::Viewer.into()));
        assert_eq!(by_certificate(&rules, ["spiffe://hero", "hero"]), None);
        assert_eq!(by_certificate(&rules, []), None);
    }

    #[test]
    fn root_and_the_own_user_are_admins_unless_a_rule_says_something_else() {
        let rules = [
            UnixRule { uids: vec![1000], gid: None, identity: identity(IdentityKind::Unix, Role::Operator) },
            UnixRule { uids: vec![7], gid: Some(50), identity: identity(IdentityKind::Unix, Role::Viewer) },
        ];
        let role = |uid, gid| by_user(&rules, 900, uid, gid).map(|found| (found.id, found.roles));
        assert_eq!(role(0, 0), Some(("0".to_owned(), Role::Admin.into())));
        assert_eq!(role(900, 900), Some(("900".to_owned(), Role::Admin.into())));
        assert_eq!(role(1000, 0), Some(("1000".to_owned(), Role::Operator.into())));
        assert_eq!(role(7, 0), Some(("7".to_owned(), Role::Viewer.into())));
        assert_eq!(role(8, 50), Some(("8".to_owned(), Role::Viewer.into())));
        assert_eq!(role(8, 51), None);
        let bound =
            [UnixRule { uids: vec![0], gid: None, identity: identity(IdentityKind::Unix, Role::Viewer) }];
        assert_eq!(by_user(&bound, 900, 0, 0).map(|found| found.roles), Some(Role::Viewer.into()));
    }
}
