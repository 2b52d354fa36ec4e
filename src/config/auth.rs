//! `[auth]` of the configuration: who may call, and how callers show who they are.

use std::path::{Path, PathBuf};

use figment::value::{Dict, Value};
use serde::Deserialize;

use super::grant::{self, Grant};
use super::table::Table;
use super::{Problem, actors};
use crate::domain::access::{Anonymous, CertificateRule, Identity, IdentityKind, Pattern, RULES, UnixRule};
use crate::domain::model::violation::Violations;

/// The key of the table.
pub(super) const KEY: &str = "auth";
/// Keys of the table that are lists of tables.
pub(super) const LISTS: [&str; 2] = [CERTIFICATE, UNIX];
const CERTIFICATE: &str = "certificate";
const UNIX: &str = "unix";

/// Requirement of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Calls need no credentials, and everything is allowed.
    Off,
    /// Every call needs an identity, but for those that are open to everybody.
    Required,
}

/// Authentication of callers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// Requirement of credentials. Default: `required` if another machine can reach an address, or if tokens,
    /// certificates, users or keys are named; otherwise `off`.
    pub mode: Option<AuthMode>,
    /// Path of the file with tokens.
    pub tokens_file: Option<PathBuf>,
    /// Calls that need no identity, beside those of health.
    pub anonymous: Vec<String>,
    /// Path of the file with the keys of an identity provider (a JSON Web Key Set).
    pub jwks_file: Option<PathBuf>,
    /// The issuer that a JWT must have.
    pub issuer: Option<String>,
    /// The audience that a JWT must have.
    pub audience: Option<String>,
    /// The claim of a JWT that has roles and scopes.
    pub permissions_claim: String,
    /// Identities of client certificates; the first rule that matches holds.
    #[serde(skip)]
    pub certificates: Vec<CertificateRule>,
    /// Identities of users of this machine; the first rule that matches holds.
    #[serde(skip)]
    pub unix: Vec<UnixRule>,
}

/// Settings of the check of a JWT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JwtConfig<'a> {
    /// Path of the JSON Web Key Set.
    pub jwks_file: &'a Path,
    /// The issuer that it must have.
    pub issuer: &'a str,
    /// The audience that it must have.
    pub audience: &'a str,
    /// The claim that has roles and scopes.
    pub permissions_claim: &'a str,
}

/// The flags of the table.
#[derive(Debug, Clone, Default, clap::Args, serde::Serialize)]
pub struct AuthFlags {
    /// Authentication of callers: off or required [default: required once others can reach an address, or identities
    /// are configured]
    #[arg(id = "auth.mode", long = "auth-mode", value_name = "MODE")]
    #[serde(rename = "auth.mode")]
    pub mode: Option<String>,
    /// File with tokens, as `token create` writes it
    #[arg(id = "auth.tokens_file", long = "auth-tokens-file", value_name = "FILE")]
    #[serde(rename = "auth.tokens_file")]
    pub tokens_file: Option<String>,
    /// Let this call through without an identity; can be repeated [default: GetServerInfo]
    #[arg(id = "auth.anonymous", long = "auth-anonymous", value_name = "CALL")]
    #[serde(rename = "auth.anonymous")]
    pub anonymous: Vec<String>,
    /// File with the keys (JWKS) of an identity provider whose JWTs are accepted
    #[arg(id = "auth.jwks_file", long = "auth-jwks-file", value_name = "FILE")]
    #[serde(rename = "auth.jwks_file")]
    pub jwks_file: Option<String>,
    /// Issuer that a JWT must have
    #[arg(id = "auth.issuer", long = "auth-issuer", value_name = "URL")]
    #[serde(rename = "auth.issuer")]
    pub issuer: Option<String>,
    /// Audience that a JWT must have
    #[arg(id = "auth.audience", long = "auth-audience", value_name = "NAME")]
    #[serde(rename = "auth.audience")]
    pub audience: Option<String>,
    /// Claim of a JWT that has roles and scopes [default: permissions]
    #[arg(id = "auth.permissions_claim", long = "auth-permissions-claim", value_name = "NAME")]
    #[serde(rename = "auth.permissions_claim")]
    pub permissions_claim: Option<String>,
}

impl AuthConfig {
    /// Returns how a JWT is checked; None if none is accepted.
    pub fn jwt(&self) -> Option<JwtConfig<'_>> {
        Some(JwtConfig {
            jwks_file: self.jwks_file.as_deref()?,
            issuer: self.issuer.as_deref()?,
            audience: self.audience.as_deref()?,
            permissions_claim: &self.permissions_claim,
        })
    }

    /// Returns the calls of the table that need no identity.
    pub fn anonymous_calls(&self) -> Vec<&'static str> {
        let named = |rpc: &str| self.anonymous.iter().any(|call| is_named(call, rpc));
        RULES.iter().filter(|rule| named(rule.rpc)).map(|rule| rule.rpc).collect()
    }

    /// Returns true if the configuration says who may call.
    pub(super) fn names_somebody(&self) -> bool {
        self.tokens_file.is_some()
            || self.jwks_file.is_some()
            || !self.certificates.is_empty()
            || !self.unix.is_empty()
    }

    /// Records what is wrong with the values together.
    pub(super) fn check(&self, required: bool, wrong: &mut impl FnMut(&str, String)) {
        if !required && self.names_somebody() {
            let what =
                "is \"off\", and the configuration says who may call: leave mode out, or the rest".to_owned();
            wrong("auth.mode", what);
        }
        for call in &self.anonymous {
            let can_be_open =
                RULES.iter().any(|rule| is_named(call, rule.rpc) && rule.anonymous != Anonymous::Never);
            if !can_be_open {
                wrong(
                    "auth.anonymous",
                    format!("{call:?} cannot be open to everybody: use GetServerInfo or ServerReflection"),
                );
            }
        }
        let jwt = [("auth.issuer", &self.issuer), ("auth.audience", &self.audience)];
        for (key, value) in jwt {
            match (&self.jwks_file, value.as_deref()) {
                (Some(_), None | Some("")) => {
                    wrong(key, "is missing: a JWT of anybody else would be accepted without it".to_owned());
                }
                (None, Some(_)) => wrong(key, "has no effect without auth.jwks_file".to_owned()),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
    }
}

/// Returns true if the configuration means this call: by its name, or by that of its service.
fn is_named(call: &str, rpc: &str) -> bool {
    call == rpc || rpc.split_once('/').is_some_and(|(service, _)| service.rsplit('.').next() == Some(call))
}

/// The rules of a file, and its violations.
#[derive(Debug, Default)]
pub(super) struct FileAuth {
    pub(super) certificates: Vec<CertificateRule>,
    pub(super) unix: Vec<UnixRule>,
    /// The tables as they were written.
    pub(super) raw: Vec<(&'static str, Vec<Dict>)>,
    pub(super) problems: Vec<Problem>,
}

/// Reads `[[auth.certificate]]` and `[[auth.unix]]` of a file.
pub(super) fn read(value: Option<&Value>, file: &Path) -> FileAuth {
    let mut auth = FileAuth::default();
    // Another value than a table is reported with the settings.
    let Some(Value::Dict(_, table)) = value else { return auth };
    let mut violations = Violations::new();
    let raw = tables(table, CERTIFICATE, &mut violations);
    auth.certificates = each(&raw, CERTIFICATE, &mut violations, certificate);
    auth.raw.push((CERTIFICATE, raw));
    let raw = tables(table, UNIX, &mut violations);
    auth.unix = each(&raw, UNIX, &mut violations, unix);
    auth.raw.push((UNIX, raw));
    auth.problems = actors::problems(&violations, file);
    auth
}

fn tables(table: &Dict, key: &'static str, violations: &mut Violations) -> Vec<Dict> {
    match table.get(key).map(Value::deserialize::<Vec<Dict>>) {
        None => Vec::new(),
        Some(Ok(tables)) => tables,
        Some(Err(_not_tables)) => {
            violations.add(
                format!("{KEY}.{key}"),
                format!("is not a list of tables: write each as [[{KEY}.{key}]]"),
            );
            Vec::new()
        }
    }
}

fn each<T>(
    raw: &[Dict],
    key: &str,
    violations: &mut Violations,
    read: impl Fn(&mut Table<'_>) -> Option<T>,
) -> Vec<T> {
    let mut rules = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let mut part = Violations::new();
        let mut table = Table::new(raw, &mut part);
        let rule = read(&mut table);
        table.refuse_unknown();
        violations.nest(&format!("{KEY}.{key}[{index}]"), part);
        rules.extend(rule);
    }
    rules
}

fn certificate(table: &mut Table<'_>) -> Option<CertificateRule> {
    let san: String = table.required("san");
    let san = if san.is_empty() { None } else { table.keep("san", Pattern::parse(&san)) };
    let identity = identity(IdentityKind::Certificate, grant::read(table));
    Some(CertificateRule { san: san?, identity })
}

fn unix(table: &mut Table<'_>) -> Option<UnixRule> {
    let (user, group): (Option<String>, Option<String>) = (table.get("user"), table.get("group"));
    let identity = identity(IdentityKind::Unix, grant::read(table));
    match (user, group) {
        (Some(user), None) => {
            let uid = table.keep("user", super::users::user(&user))?;
            Some(UnixRule { uids: vec![uid], gid: None, identity })
        }
        (None, Some(group)) => {
            let group = table.keep("group", super::users::group(&group))?;
            Some(UnixRule { uids: group.members, gid: Some(group.gid), identity })
        }
        (None, None) | (Some(_), Some(_)) => {
            table.wrong("user", "or group: say one of them, by name or number");
            None
        }
    }
}

fn identity(kind: IdentityKind, grant: Grant) -> Identity {
    let Grant { name, roles, scopes, quotas } = grant;
    Identity { name, scopes, quotas, ..Identity::new(kind, "", roles) }
}

#[cfg(test)]
mod tests;
