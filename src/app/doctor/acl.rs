//! `doctor --print-acl`: a user of Redis as a line of `users.acl`.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::adapters::redis::{AclUser, password_of};
use crate::cli::{Exit, Failure, Format, Output};
use crate::domain::model::script_type::ScriptType;
use crate::hex;

/// Prints the user of supervisors, or that of the actors of a script type.
///
/// # Errors
/// A password file that cannot be used.
pub(super) fn print(script_type: Option<ScriptType>, password_file: Option<&Path>) -> Result<Exit, Failure> {
    let user = script_type.map_or_else(AclUser::of_supervisors, AclUser::of_actors);
    let password = password_file.map(password_of).transpose();
    let password =
        password.map_err(|error| Failure::usage(format!("--acl-password-file: {}", error.what)))?;
    let digest = password.map(|password| hex::encode(&Sha256::digest(password)));
    let line = format!("user {}", user.words(digest.as_deref()).join(" "));
    Output::new(Format::Table, false).data(&line)?;
    Ok(Exit::Ok)
}
