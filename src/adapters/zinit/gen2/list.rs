//! Lists the services: the state of each, its owner, and whether Zinit restarts it.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use serde_json::Value;
use tokio::time::Instant;

use super::super::owners::Env;
use super::super::proc;
use super::super::wire::CallError;
use super::definition::{env_of, restart_mode};
use super::states::{Again, State, Status};
use super::{AT_A_TIME, Gen2, MARGIN, MAX_SERVICES, SAME_FOR, rejected};
use crate::domain::model::actor::{ExitStatus, RestartMode};
use crate::ports::process_manager::{ProcessError, ProcessInfo, ProcessState};

impl Gen2 {
    pub(in super::super) async fn list(&self) -> Result<Vec<ProcessInfo>, ProcessError> {
        let states = self.calls.states().await?;
        self.warn_if_many(states.len());
        let names: HashSet<String> = states.iter().map(|(name, _word)| name.clone()).collect();
        self.owners.keep_listed(|name| names.contains(name));
        let each = |(name, word): (String, String)| async move {
            // One that was forgotten in between is not there any more.
            let Some(status) = self.status_of(&name, &word).await? else { return Ok(None) };
            let foreign = self.is_foreign(&name, &status).await?;
            let again = if foreign { Again::Yes } else { self.again(&name, &status).await? };
            let mut state = status.to_process(again);
            if let ProcessState::Running { pid } = state
                && self.name_locks.is_stopping(&name)
            {
                // Zinit is not told of a stop while its grace lasts.
                state = ProcessState::Stopping { pid: Some(pid) };
            }
            let failed_check = match state {
                ProcessState::Starting { .. } => self.shim.failed_check(&name),
                ProcessState::Waiting
                | ProcessState::Running { .. }
                | ProcessState::Stopping { .. }
                | ProcessState::Backoff { .. }
                | ProcessState::Down { .. }
                | ProcessState::SpawnFailed => None,
            };
            let detail = status.detail();
            Ok(Some(ProcessInfo { name, state, started_at: None, detail, failed_check, foreign }))
        };
        let infos: Vec<Result<Option<ProcessInfo>, ProcessError>> =
            stream::iter(states).map(each).buffer_unordered(AT_A_TIME).collect().await;
        let mut list: Vec<ProcessInfo> =
            infos.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let known = self.known();
        for (name, known) in known.iter() {
            if let Some(exit) = known.stopped
                && !list.iter().any(|info| info.name == *name)
            {
                let (name, detail) = (name.clone(), "stopped".to_owned());
                let state = ProcessState::Down { exit };
                list.push(ProcessInfo {
                    name,
                    state,
                    started_at: None,
                    detail,
                    failed_check: None,
                    foreign: false,
                });
            }
        }
        drop(known);
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// The status of a listed service. A process is not started anew before 2 s have passed, so one that is listed as
    /// running, and was so a moment ago, is still the same.
    async fn status_of(&self, name: &str, word: &str) -> Result<Option<Status>, ProcessError> {
        let now = Instant::now();
        let last = self.known().get(name).and_then(|known| known.seen.clone());
        if let Some((status, at)) = last
            && word == "Running"
            && now - at < SAME_FOR
        {
            return Ok(Some(status));
        }
        let status = match self.calls.status(name).await {
            // It is listed, and asked for again and again: the others are not to be unknown because of it.
            Err(CallError::Refused { message, .. }) => {
                tracing::debug!(%name, %message, "zinit service {name}: no status");
                return Ok(self
                    .known()
                    .get(name)
                    .and_then(|known| known.seen.clone())
                    .map(|(status, _at)| status));
            }
            status => status?,
        };
        if let Some(known) = self.known().get_mut(name) {
            let runs =
                |status: &&Status| status.state == State::Running && status.wanted && status.pid.is_some();
            known.seen = status.as_ref().filter(runs).map(|status| (status.clone(), now));
        }
        Ok(status)
    }

    /// Finds out whether Zinit starts an ended service again. A service that ended well and is only to be restarted
    /// after a failure is stopped on the way.
    pub(super) async fn again(&self, name: &str, status: &Status) -> Result<Again, ProcessError> {
        let Some(exit) = status.exit().filter(|_exit| status.wanted) else { return Ok(Again::Yes) };
        let known = self.known().get(name).map(|known| known.restart);
        let restart = match known {
            Some(restart) => restart,
            // Not started by us, or by an earlier supervisor.
            None => {
                self.calls.content(name).await?.map_or(RestartMode::Always, |content| restart_mode(&content))
            }
        };
        match restart {
            RestartMode::Always => return Ok(Again::Yes),
            RestartMode::OnFailure if exit != ExitStatus::Code(0) => return Ok(Again::Yes),
            RestartMode::OnFailure | RestartMode::Never => {}
        }
        // Within its 2 s a stop is final. A oneshot needs none, and is left as it is.
        let oneshot = restart == RestartMode::Never && self.is_oneshot(name).await?;
        if !oneshot && !self.name_locks.is_stopping(name) {
            self.calls.stop(name).await?;
        }
        Ok(Again::No)
    }

    async fn is_oneshot(&self, name: &str) -> Result<bool, ProcessError> {
        if let Some(oneshot) = self.known().get(name).and_then(|known| known.oneshot) {
            return Ok(oneshot);
        }
        let oneshot = self.calls.content(name).await?.is_some_and(|content| content["oneshot"] == true);
        if let Some(known) = self.known().get_mut(name) {
            known.oneshot = Some(oneshot);
        }
        Ok(oneshot)
    }

    /// Returns true if a listed service is somebody else's. A service whose owner nobody knows is taken for ours while
    /// it is only looked at.
    async fn is_foreign(&self, name: &str, status: &Status) -> Result<bool, ProcessError> {
        if let Some(foreign) = self.owners.known(name, status.pid) {
            return Ok(foreign);
        }
        let content = self.calls.content(name).await?;
        let env = self.env_of(name, status, content.as_ref()).await?;
        Ok(env.is_some_and(|env| self.owners.note(name, status.pid, &env)))
    }

    /// Returns true if a service may be ended: it bears our marks, or was started by us and cannot be looked at any
    /// more.
    pub(super) async fn is_ours(&self, name: &str, status: &Status) -> Result<bool, ProcessError> {
        let content = self.calls.content(name).await?;
        match self.env_of(name, status, content.as_ref()).await? {
            Some(env) => Ok(self.owners.judge(name, &env).is_ok()),
            None if self.known().contains_key(name) => Ok(true),
            // It may be gone by now.
            None if self.calls.status(name).await?.is_none() => Ok(false),
            None => Err(rejected(name, "is left as it is: zinit has no file of it that says whose it is")),
        }
    }

    /// The environment that a service was defined with.
    pub(in super::super) async fn environment(&self, name: &str) -> Result<Env, ProcessError> {
        Ok(self.calls.content(name).await?.map(|content| env_of(name, &content)).unwrap_or_default())
    }

    /// The environment that a service was defined with, by its file or, where that cannot be had, by its process. None when
    /// nobody can say.
    pub(super) async fn env_of(
        &self,
        name: &str,
        status: &Status,
        content: Option<&Value>,
    ) -> Result<Option<Env>, ProcessError> {
        if let Some(content) = content {
            return Ok(Some(env_of(name, content)));
        }
        let Some(pid) = status.pid.and_then(|pid| i32::try_from(pid).ok()) else { return Ok(None) };
        let sees_the_same = self.reads.who(Duration::from_secs(2)).await?.server.is_some();
        Ok(if sees_the_same { proc::environment(pid) } else { None })
    }

    fn warn_if_many(&self, count: usize) {
        let many = count + MARGIN >= MAX_SERVICES;
        if many && !self.warned_of_many.swap(many, Ordering::Relaxed) {
            tracing::warn!(
                services = count,
                "zinit: {count} services (with more than {MAX_SERVICES} this generation stops to read their output, and \
                 programs that write block: run fewer actors here, or use zinit 0.3.9)"
            );
        } else if !many {
            self.warned_of_many.store(false, Ordering::Relaxed);
        }
    }
}
