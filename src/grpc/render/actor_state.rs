//! Observed and desired states of actors.

use crate::domain::model::actor::{ActorState, Desired};
use crate::proto as pb;

/// Renders a state.
pub(super) fn state(state: ActorState) -> pb::actor::State {
    match state {
        ActorState::Stopped => pb::actor::State::Stopped,
        ActorState::Blocked => pb::actor::State::Blocked,
        ActorState::Starting => pb::actor::State::Starting,
        ActorState::Running => pb::actor::State::Running,
        ActorState::Draining => pb::actor::State::Draining,
        ActorState::Stopping => pb::actor::State::Stopping,
        ActorState::Backoff => pb::actor::State::Backoff,
        ActorState::CrashLoop => pb::actor::State::CrashLoop,
        ActorState::Failed => pb::actor::State::Failed,
        ActorState::Unknown => pb::actor::State::Unknown,
    }
}

/// Renders a desired state.
pub(super) fn desired(desired: Desired) -> pb::actor::DesiredState {
    match desired {
        Desired::Up => pb::actor::DesiredState::Up,
        Desired::Down => pb::actor::DesiredState::Down,
    }
}
