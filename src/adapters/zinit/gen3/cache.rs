//! Facts about services that Zinit does not keep or does not tell, kept while this process runs.

use std::collections::{HashMap, VecDeque};
use std::sync::MutexGuard;
use std::time::Duration;

use tokio::time::Instant;

use super::definition::Lifecycle;
use super::states::{Service, State};
use crate::lock::Lock;
use crate::ports::process_manager::LogLine;

/// Deleted services whose last lines are kept.
const MAX_DELETED: usize = 64;
/// Lines kept of each.
const MAX_LINES: usize = 200;
/// Bytes kept of each of these lines.
const MAX_LINE_BYTES: usize = 4 * 1024;
/// A restart may come this much later than its delay says.
const SLACK: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct ServiceCache {
    inner: Lock<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Times at which we stopped services that no timer will start.
    stopped: HashMap<String, Instant>,
    /// Time since which a service that may be restarted is seen ended in the same way.
    ended: HashMap<String, (State, Instant)>,
    /// Last lines of services that had to be deleted, the youngest last.
    deleted: VecDeque<(String, Vec<LogLine>)>,
}

impl ServiceCache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Notes that a service is stopped for good.
    pub(super) fn stopped(&self, name: &str) {
        self.inner().stopped.insert(name.to_owned(), Instant::now());
    }

    /// Notes that a service is, or may be, started.
    pub(super) fn started(&self, name: &str) {
        let mut inner = self.inner();
        inner.stopped.remove(name);
        inner.ended.remove(name);
    }

    /// Returns true if the service is known to be stopped for good.
    pub(super) fn is_stopped(&self, name: &str) -> bool {
        self.inner().stopped.contains_key(name)
    }

    /// Forgets about services that are gone or that somebody started, as a list says that was asked for then.
    pub(super) fn seen(&self, services: &[Service], asked: Instant) {
        let mut inner = self.inner();
        if inner.stopped.is_empty() && inner.ended.is_empty() {
            return;
        }
        let states: HashMap<&str, &State> = services.iter().map(|s| (s.name.as_str(), &s.state)).collect();
        let ended = |name: &String| states.get(name.as_str()).is_some_and(|state| !state.is_active());
        inner.stopped.retain(|name, since| *since >= asked || ended(name));
        inner.ended.retain(|name, _since| ended(name));
    }

    /// Returns true if this end is seen for the first time.
    pub(super) fn is_new_end(&self, service: &Service) -> bool {
        !self.inner().ended.get(&service.name).is_some_and(|(state, _since)| *state == service.state)
    }

    /// Returns true if Zinit will start this ended service again. Where Zinit may have given up, or somebody else may
    /// have stopped it, the answer is no once it should have come back.
    pub(super) fn will_restart(&self, service: &Service, lifecycle: Lifecycle) -> bool {
        if !service.state.may_restart(lifecycle) {
            return false;
        }
        let certain = lifecycle.unlimited && matches!(service.state, State::Failed(_));
        let age = self.age_of_end(service);
        certain || age <= lifecycle.restart_delay_max + SLACK
    }

    /// Returns the time for which this end has been seen.
    pub(super) fn age_of_end(&self, service: &Service) -> Duration {
        let mut inner = self.inner();
        let now = Instant::now();
        let seen = inner.ended.entry(service.name.clone()).or_insert_with(|| (service.state.clone(), now));
        if seen.0 != service.state {
            *seen = (service.state.clone(), now);
        }
        now - seen.1
    }

    /// Keeps the last lines of a service that is about to be deleted.
    pub(super) fn keep_lines(&self, name: &str, mut lines: Vec<LogLine>) {
        for line in &mut lines {
            line.text.truncate(line.text.floor_char_boundary(MAX_LINE_BYTES));
        }
        let mut inner = self.inner();
        let before = inner.deleted.iter().position(|(deleted, _lines)| deleted == name);
        let mut all =
            before.and_then(|at| inner.deleted.remove(at)).map(|(_name, lines)| lines).unwrap_or_default();
        all.append(&mut lines);
        all.drain(..all.len().saturating_sub(MAX_LINES));
        if all.is_empty() {
            return;
        }
        inner.deleted.push_back((name.to_owned(), all));
        if inner.deleted.len() > MAX_DELETED {
            inner.deleted.pop_front();
        }
    }

    /// The last lines of services of this name that were deleted.
    pub(super) fn lines_of(&self, name: &str) -> Vec<LogLine> {
        let inner = self.inner();
        let found = inner.deleted.iter().find(|(deleted, _lines)| deleted == name);
        found.map(|(_name, lines)| lines.clone()).unwrap_or_default()
    }

    /// Forgets everything about a name.
    pub(super) fn forget(&self, name: &str) {
        let mut inner = self.inner();
        inner.stopped.remove(name);
        inner.ended.remove(name);
        inner.deleted.retain(|(deleted, _lines)| deleted != name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::states::Failure;
    use super::*;
    use crate::domain::model::actor::RestartMode;
    use crate::domain::model::output::LogStream;

    fn lifecycle(unlimited: bool) -> Lifecycle {
        let span = Duration::from_secs(10);
        Lifecycle { restart: RestartMode::Always, restart_delay_max: span, unlimited, stop_timeout: span }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_should_have_come_back_is_down() {
        let cache = ServiceCache::default();
        let failed = Service { name: "a".to_owned(), state: State::Failed(Failure::Code(1)) };
        let exited = Service { name: "b".to_owned(), state: State::Exited { code: Some(0) } };
        for later in [0, 9, 4] {
            tokio::time::advance(Duration::from_secs(later)).await;
            let is_young = later != 4;
            assert_eq!(cache.will_restart(&failed, lifecycle(false)), is_young);
            assert_eq!(cache.will_restart(&exited, lifecycle(true)), is_young);
        }
        assert!(cache.will_restart(&failed, lifecycle(true)), "an unlimited one always comes back");
        let other = Service { state: State::Failed(Failure::Code(2)), ..failed };
        assert!(cache.will_restart(&other, lifecycle(false)), "another end is another wait");
    }

    #[test]
    fn lines_of_deleted_services_are_kept_within_bounds() {
        let cache = ServiceCache::default();
        let line = |text: String| LogLine { at: None, stream: LogStream::Stdout, text };
        for _again in 0..3 {
            cache.keep_lines("a", (0..150).map(|number| line(number.to_string())).collect());
        }
        let kept = cache.lines_of("a");
        assert_eq!((kept.len(), kept[0].text.as_str(), kept[199].text.as_str()), (200, "100", "149"));
        cache.keep_lines("b", vec![line("ä".repeat(MAX_LINE_BYTES))]);
        assert_eq!(cache.lines_of("b")[0].text.len(), MAX_LINE_BYTES);
        for number in 0..MAX_DELETED {
            cache.keep_lines(&number.to_string(), vec![line(String::new())]);
        }
        assert_eq!(cache.lines_of("a"), []);
    }
}
