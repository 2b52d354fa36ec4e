//! `doctor --print-acl`: a user of Redis as a line of `users.acl`.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::adapters::redis::{AclUser, password_of};
use crate::cli::{Exit, Failure, Format, Output};
use crate::domain::model::queue_name::{QueueName, TypedQueue};
use crate::domain::model::script_type::ScriptType;
use crate::hex;

/// Prints the user of supervisors, that of backups, or that of the actors of a queue, by default the one of a script type.
///
/// # Errors
/// A default queue of another script type; a password file that cannot be used.
pub(super) fn print(
    for_backups: bool,
    script_type: Option<ScriptType>,
    queue: Option<QueueName>,
    password_file: Option<&Path>,
) -> Result<Exit, Failure> {
    if let (Some(other), Some(script_type)) = (queue.and_then(|queue| queue.default_type()), script_type)
        && other != script_type
    {
        return Err(Failure::usage(format!("--queue: {other} takes {other} jobs, and not {script_type}")));
    }
    let typed = script_type
        .map(|script_type| TypedQueue { name: queue.unwrap_or_else(|| script_type.into()), script_type });
    let user = match typed {
        Some(typed) => AclUser::of_actors(typed),
        None if for_backups => AclUser::of_backups(),
        None => AclUser::of_supervisors(),
    };
    let password = password_file.map(password_of).transpose();
    let password =
        password.map_err(|error| Failure::usage(format!("--acl-password-file: {}", error.what)))?;
    let digest = password.map(|password| hex::encode(&Sha256::digest(password)));
    let line = format!("user {}", user.words(digest.as_deref()).join(" "));
    Output::new(Format::Table, false).data(&line)?;
    Ok(Exit::Ok)
}
