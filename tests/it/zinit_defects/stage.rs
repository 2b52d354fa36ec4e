//! A private Zinit with our manager of it.

use std::time::Duration;

use hero_supervisor::adapters::zinit::ZinitProcessManager;
use hero_supervisor::domain::model::actor::ExitStatus;
use hero_supervisor::ports::process_manager::{ProcessInfo, ProcessManager, ProcessSpec, ProcessState};

pub(super) use crate::contract::process_manager::process_manager_contract::{
    GRACE, LIMIT, lives, policy, shell,
};
use crate::support::wait::eventually;
use crate::support::zinit::PrivateZinit;

pub(super) struct DefectiveZinit {
    pub(super) zinit: PrivateZinit,
    pub(super) manager: ZinitProcessManager,
}

impl DefectiveZinit {
    pub(super) async fn start() -> Self {
        let zinit = PrivateZinit::start().await;
        let manager = ZinitProcessManager::new(zinit.socket());
        Self { zinit, manager }
    }

    /// What another supervisor, or this one after a restart, would use.
    pub(super) fn another_manager(&self) -> ZinitProcessManager {
        ZinitProcessManager::new(self.zinit.socket())
    }

    pub(super) async fn info(&self, name: &str) -> Option<ProcessInfo> {
        let list = self.manager.list().await.unwrap();
        list.into_iter().find(|info| info.name == name)
    }

    pub(super) async fn until<T>(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(ProcessState) -> Option<T>,
    ) -> T {
        let what = format!("{name} {what}");
        let wanted = &wanted;
        eventually(&what, LIMIT, || async { self.info(name).await.and_then(|info| wanted(info.state)) }).await
    }

    pub(super) async fn running(&self, name: &str) -> u32 {
        self.running_anew(name, 0).await
    }

    pub(super) async fn running_anew(&self, name: &str, old: u32) -> u32 {
        self.until(name, "runs", |state| match state {
            ProcessState::Running { pid } if pid != old => Some(pid),
            _other => None,
        })
        .await
    }

    pub(super) async fn down(&self, name: &str) -> Option<ExitStatus> {
        self.until(name, "is down", |state| match state {
            ProcessState::Down { exit } => Some(exit),
            _other => None,
        })
        .await
    }

    pub(super) async fn assert_down(&self, name: &str) {
        if let Some(info) = self.info(name).await {
            assert!(matches!(info.state, ProcessState::Down { .. }), "{info:?}");
        }
    }
}

/// Runs until it is stopped, and is restarted soon after a crash.
pub(super) fn sleeper(name: &str) -> ProcessSpec {
    ProcessSpec { restart: policy(Duration::from_millis(100)), ..shell(name, "exec sleep 1000") }
}
