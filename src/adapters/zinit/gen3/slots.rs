//! The one task that adds services to Zinit and deletes them.
//!
//! Zinit knows its services by their place in a list. Two things follow:
//! * adding a name that is taken hangs the whole server for good, so it is looked for first;
//! * deleting moves the last service to the place of the deleted one, while its process, timers and log stay under the
//!   old place: it is lost to Zinit, or mixed up with the next one. So what is moved has to be a service that has
//!   none of these, a *tombstone*: one that is never started is put at the end before the deletion and takes the
//!   place. Tombstones are hidden from lists, have no file, and are deleted once they have come to the end again.
//!
//! Both need that nobody adds or deletes in between. This task sees to it among our own, and a [`Lock`] among
//! supervisors; people with another client could still do it in the very moment.

use std::collections::HashMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::fs;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::super::client::CallError;
use super::super::owners::{Env, Foreign, Owners};
use super::super::private_folder::PrivateFolder;
use super::super::request_queue::RequestQueue;
use super::TOMBSTONE;
use super::cache::ServiceCache;
use super::calls::Calls;
use super::definition::Definition;
use super::lock::{Held, Lock, NotTaken};
use super::states::Service;
use crate::ports::process_manager::{ACTOR_MARK, REALM_MARK};

/// A health check of the deleted service may still run, and its result is booked on whoever has its place. None
/// takes longer.
const UNSAFE_FOR: Duration = Duration::from_secs(60);

/// Reason for which a service was not added or deleted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The name is taken.
    Exists,
    /// The service runs (again).
    Active,
    /// Another supervisor does not let go of the lock.
    Busy,
    /// The lock file is not to be trusted.
    Lock(String),
    /// There is a file of this name that is not ours.
    Foreign(Foreign, PathBuf),
    /// Services that would be deleted with it.
    Dependents(Vec<String>),
    /// The call failed.
    Call(CallError),
}

impl From<NotTaken> for Refusal {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Busy => Self::Busy,
            NotTaken::Untrusted(why) => Self::Lock(why),
        }
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

type Reply = oneshot::Sender<Result<bool, Refusal>>;

enum Request {
    Add(Box<Definition>),
    Delete(String),
    DisableAutostart(String),
    EnableAutostart(String),
    IsAutostartDisabled(String),
}

/// Our end of the task.
pub(super) struct Slots {
    calls: Calls,
    cache: Arc<ServiceCache>,
    owners: Arc<Owners>,
    socket: PathBuf,
    requests: RequestQueue<(Request, Reply)>,
}

impl Slots {
    pub(super) fn new(calls: Calls, cache: Arc<ServiceCache>, owners: Arc<Owners>, socket: &Path) -> Self {
        Self { calls, cache, owners, socket: socket.to_owned(), requests: RequestQueue::default() }
    }

    /// Adds a service whose name is not taken; Zinit starts it.
    pub(super) async fn add(&self, definition: Definition) -> Result<(), Refusal> {
        self.ask(Request::Add(Box::new(definition))).await.map(drop)
    }

    /// Deletes a service that does not run, so that nothing else is changed by it; an unknown one is fine.
    pub(super) async fn delete(&self, name: &str) -> Result<(), Refusal> {
        self.ask(Request::Delete(name.to_owned())).await.map(drop)
    }

    /// Hides the file of a stopped service, so that Zinit does not start it when it is itself started again.
    pub(super) async fn disable_autostart(&self, name: &str) -> Result<(), Refusal> {
        self.ask(Request::DisableAutostart(name.to_owned())).await.map(drop)
    }

    /// Takes that back.
    pub(super) async fn enable_autostart(&self, name: &str) -> Result<(), Refusal> {
        self.ask(Request::EnableAutostart(name.to_owned())).await.map(drop)
    }

    /// Returns true if the autostart of a service is disabled, maybe by an earlier supervisor.
    pub(super) async fn is_autostart_disabled(&self, name: &str) -> Result<bool, Refusal> {
        self.ask(Request::IsAutostartDisabled(name.to_owned())).await
    }

    pub(super) async fn close(&self) {
        self.requests.close().await;
    }

    async fn ask(&self, request: Request) -> Result<bool, Refusal> {
        let start = |inbox| {
            let owner = Owner {
                calls: self.calls.clone(),
                cache: self.cache.clone(),
                owners: self.owners.clone(),
                lock: Lock::beside(&self.socket),
                config_dir: None,
                tombstones: HashMap::new(),
                warned: false,
            };
            owner.run(inbox)
        };
        let answer = self.requests.ask(start, |reply| (request, reply)).await;
        answer.unwrap_or_else(|| Err(CallError::Corrupt("the connection was closed by us".into()).into()))
    }
}

struct Owner {
    calls: Calls,
    cache: Arc<ServiceCache>,
    owners: Arc<Owners>,
    lock: Lock,
    /// Folder of Zinit's files, once it told us.
    config_dir: Option<PathBuf>,
    /// Time from which each tombstone can be deleted.
    tombstones: HashMap<String, Instant>,
    warned: bool,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<(Request, Reply)>) {
        while let Some((request, reply)) = inbox.recv().await {
            // Carried out even if nobody waits any more: a half-done deletion would be worse.
            let answer = match request {
                Request::Add(definition) => self.add(&definition).await.map(|()| true),
                Request::Delete(name) => self.delete(&name).await.map(|()| true),
                Request::DisableAutostart(name) => self.disable_autostart(&name).await.map(|()| true),
                Request::EnableAutostart(name) => self.enable_autostart(&name).await.map(|()| true),
                Request::IsAutostartDisabled(name) => self.is_autostart_disabled(&name).await,
            };
            drop(reply.send(answer));
        }
    }

    async fn add(&mut self, definition: &Definition) -> Result<(), Refusal> {
        let _alone = self.alone().await?;
        let services = self.calls.list().await?;
        if services.iter().any(|service| service.name == definition.name) {
            return Err(Refusal::Exists);
        }
        let services = if self.config_dir.is_some() {
            services
        } else {
            self.add_tombstone().await?;
            self.calls.list().await?
        };
        self.spare_file(&definition.name).await?;
        self.delete_last_tombstones(services).await?;
        self.cache.started(&definition.name);
        let closed = if definition.has_env { self.close_folder(&definition.name) } else { None };
        let path = self.calls.set(definition).await?;
        if let Some(path) = &path {
            self.learn_config_dir(path);
            remove(&disabled_file(path)).await;
        }
        if definition.has_env {
            self.protect(path.as_deref(), &definition.name).await;
        }
        drop(closed);
        Ok(())
    }

    async fn delete(&mut self, name: &str) -> Result<(), Refusal> {
        let _alone = self.alone().await?;
        let services = self.calls.list().await?;
        let Some(place) = services.iter().position(|service| service.name == name) else { return Ok(()) };
        if services[place].state.is_active() {
            return Err(Refusal::Active);
        }
        self.refuse_if_needed(name, &services).await?;
        let checked = self.calls.config(name).await?.is_some_and(|config| !config["health"].is_null());
        self.cache.keep_lines(name, self.calls.log_tail(name, 1000).await.unwrap_or_default());
        let is_last = place + 1 == services.len();
        let last_is_tombstone = services.last().is_some_and(|last| last.name.starts_with(TOMBSTONE));
        let replaced = !is_last || checked;
        if replaced && !last_is_tombstone {
            self.add_tombstone().await?;
        }
        self.calls.delete(name).await?;
        if checked {
            let tombstones = services.iter().rev().take_while(|last| last.name.starts_with(TOMBSTONE));
            let names = tombstones.map(|last| last.name.clone()).chain(self.tombstones.keys().cloned());
            let later = Instant::now() + UNSAFE_FOR;
            self.tombstones = names.map(|name| (name, later)).collect();
        }
        if let Some(file) = self.file_of(name) {
            remove(&disabled_file(&file)).await;
        }
        self.delete_last_tombstones(self.calls.list().await?).await
    }

    async fn alone(&mut self) -> Result<Held, Refusal> {
        Ok(self.lock.take().await?)
    }

    /// Zinit overwrites the file of a service that it has not loaded: one written by hand, or one that it could not read.
    async fn spare_file(&self, name: &str) -> Result<(), Refusal> {
        let Some(file) = self.file_of(name) else { return Ok(()) };
        let text = match fs::read(&file).await {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            // What cannot be read is nothing that we have written.
            Err(_unreadable) => String::new(),
        };
        self.owners.judge(name, &marks_in(&text)).map_err(|foreign| Refusal::Foreign(foreign, file))
    }

    /// Zinit deletes what depends on a deleted service as well.
    async fn refuse_if_needed(&self, name: &str, services: &[Service]) -> Result<(), Refusal> {
        let mut dependents = Vec::new();
        for other in services.iter().filter(|other| other.name != name && !other.name.starts_with(TOMBSTONE))
        {
            let Some(config) = self.calls.config(&other.name).await? else { continue };
            let kinds = ["after", "requires", "wants"].map(|kind| &config["dependencies"][kind]);
            if kinds.iter().any(|names| names.as_array().is_some_and(|names| names.iter().any(|n| n == name)))
            {
                dependents.push(other.name.clone());
            }
        }
        if dependents.is_empty() { Ok(()) } else { Err(Refusal::Dependents(dependents)) }
    }

    /// Puts a tombstone at the end.
    async fn add_tombstone(&mut self) -> Result<(), CallError> {
        let name = format!("{TOMBSTONE}{:016x}", fastrand::u64(..));
        let params = json!({"config": {
            "service": {"name": name, "exec": "/bin/true", "status": "stop"},
            "lifecycle": {"restart": "never"},
        }});
        let path = self.calls.set_params(params).await?;
        self.tombstones.insert(name, Instant::now());
        if let Some(path) = path {
            remove(&path).await;
            self.learn_config_dir(&path);
        }
        Ok(())
    }

    /// Deletes the tombstones at the end that nothing can be booked on any more.
    async fn delete_last_tombstones(&mut self, mut services: Vec<Service>) -> Result<(), Refusal> {
        let now = Instant::now();
        self.tombstones.retain(|name, _safe_from| services.iter().any(|service| service.name == *name));
        for service in services.iter().filter(|service| service.name.starts_with(TOMBSTONE)) {
            // Left by an earlier supervisor, who knows when.
            self.tombstones.entry(service.name.clone()).or_insert(now + UNSAFE_FOR);
        }
        while let Some(last) = services.pop() {
            if self.tombstones.get(&last.name).is_none_or(|safe_from| now < *safe_from) {
                break;
            }
            self.calls.delete(&last.name).await?;
        }
        Ok(())
    }

    async fn disable_autostart(&mut self, name: &str) -> Result<(), Refusal> {
        self.ask_config_dir().await?;
        let Some(file) = self.file_of(name) else { return Ok(()) };
        if let Err(error) = fs::rename(&file, disabled_file(&file)).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            let file = file.display();
            tracing::warn!(%name, %file, %error, "zinit service {name}: stopped, but zinit will start it when zinit is restarted");
        }
        Ok(())
    }

    async fn enable_autostart(&mut self, name: &str) -> Result<(), Refusal> {
        self.cache.started(name);
        self.ask_config_dir().await?;
        let Some(file) = self.file_of(name) else { return Ok(()) };
        self.spare_file(name).await?;
        if let Err(error) = fs::rename(disabled_file(&file), &file).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            let file = file.display();
            tracing::warn!(%name, %file, %error, "zinit service {name}: started, but zinit will not know it when zinit is restarted");
        }
        Ok(())
    }

    async fn is_autostart_disabled(&mut self, name: &str) -> Result<bool, Refusal> {
        self.ask_config_dir().await?;
        let Some(file) = self.file_of(name) else { return Ok(false) };
        Ok(fs::try_exists(disabled_file(&file)).await.unwrap_or(false))
    }

    /// Zinit tells where its files are only when it writes one.
    async fn ask_config_dir(&mut self) -> Result<(), Refusal> {
        if self.config_dir.is_none() {
            let _alone = self.alone().await?;
            self.add_tombstone().await?;
        }
        Ok(())
    }

    fn learn_config_dir(&mut self, path: &Path) {
        self.config_dir = path.parent().map(Path::to_owned);
    }

    fn file_of(&self, name: &str) -> Option<PathBuf> {
        self.config_dir.as_ref().map(|dir| dir.join(format!("{name}.toml")))
    }

    /// Keeps others from a file until it is private.
    fn close_folder(&mut self, name: &str) -> Option<PrivateFolder> {
        let dir = self.config_dir.as_deref()?;
        let closed = PrivateFolder::close(dir);
        if let Err(error) = &closed
            && !self.warned
        {
            self.warned = true;
            let dir = dir.display();
            tracing::warn!(%name, %dir, %error, "zinit: its configuration folder cannot be closed to others, who can read the environments of actors for a moment (chmod 700 it)");
        }
        closed.ok()
    }

    /// Zinit writes its files readable by all, and the environment in them may hold secrets.
    async fn protect(&mut self, path: Option<&Path>, name: &str) {
        let Some(path) = path else { return };
        if let Err(error) = fs::set_permissions(path, Permissions::from_mode(0o600)).await {
            let file = path.display();
            tracing::warn!(%name, %file, %error, "zinit service {name}: others may be able to read its environment");
        }
    }
}

/// The marks of an actor in a file that Zinit has written for us, a line each.
fn marks_in(file: &str) -> Env {
    let mark = |line: &str| {
        let (name, value) = line.split_once(" = ")?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        [ACTOR_MARK, REALM_MARK].contains(&name).then(|| (name.to_owned(), value.to_owned()))
    };
    file.lines().filter_map(|line| mark(line.trim())).collect()
}

/// Returns the path at which the file of a stopped service is kept.
fn disabled_file(file: &Path) -> PathBuf {
    file.with_added_extension("stopped")
}

async fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        let file = file.display();
        tracing::warn!(%file, %error, "zinit: cannot remove a file");
    }
}
