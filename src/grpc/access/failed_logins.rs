//! Failed logins: counted, logged once a minute, and answered late when an address fails often.
//!
//! The memory is bounded, and so is the number of answers that are held back. Whoever shows a valid token is never held up,
//! also behind the same address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::grpc::peer::Peer;
use crate::lock::Lock;
use crate::ports::authenticator::Rejection;
use crate::telemetry::log_limiter::LogLimiter;
use crate::telemetry::metrics::AUTH_FAILURES;

/// Time over which the failures of an address are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Failures of an address in the window that are answered at once.
const FREE: u32 = 10;
/// Delay that each further failure adds.
const STEP: Duration = Duration::from_millis(250);
/// Longest delay.
const LONGEST: Duration = Duration::from_secs(5);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;
/// Answers that are held back at the same time. Further ones are given at once.
const HELD_BACK: usize = 1000;

/// The memory of failed logins. A cheap clone.
#[derive(Debug, Clone)]
pub(super) struct FailedLogins {
    memory: Arc<Lock<Memory>>,
    held_back: Arc<Semaphore>,
    log: Arc<LogLimiter>,
}

impl Default for FailedLogins {
    fn default() -> Self {
        let held_back = Arc::new(Semaphore::new(HELD_BACK));
        Self { memory: Arc::default(), held_back, log: Arc::default() }
    }
}

/// The network from which a call came. The last half of an IPv6 address is its owner's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u8; 8]),
    Local,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    begun: Instant,
    failures: u32,
}

#[derive(Debug, Default)]
struct Memory(HashMap<Network, Window>);

impl FailedLogins {
    /// Notes a failure, and waits as long as its answer is to be late.
    pub(super) async fn note(&self, peer: Option<&Peer>, rpc: &str, rejection: Rejection) {
        counter!(AUTH_FAILURES, "reason" => rejection.as_str()).increment(1);
        let from = peer.and_then(|peer| peer.address);
        if let Some(suppressed) = self.log.due() {
            let address = from.map_or_else(|| "a unix socket".to_owned(), |address| address.to_string());
            let reason = rejection.as_str();
            tracing::warn!(%address, rpc, reason, suppressed, "login: refused ({reason}, from {address}, for {rpc})");
        }
        if rejection == Rejection::Missing {
            // Nobody has tried anything.
            return;
        }
        let delay = self.memory.lock().fail(network(from.map(|address| address.ip())), Instant::now());
        if !delay.is_zero()
            && let Ok(_place) = self.held_back.try_acquire()
        {
            tokio::time::sleep(delay).await;
        }
    }
}

impl Memory {
    /// Counts a failure, and returns the delay of its answer.
    fn fail(&mut self, network: Network, now: Instant) -> Duration {
        let is_over = |window: &Window| now.saturating_duration_since(window.begun) >= WINDOW;
        if self.0.len() >= ADDRESSES && !self.0.contains_key(&network) {
            self.0.retain(|_, window| !is_over(window));
            if self.0.len() >= ADDRESSES {
                self.forget_the_mildest();
            }
        }
        let window = self.0.entry(network).or_insert(Window { begun: now, failures: 0 });
        if is_over(window) {
            *window = Window { begun: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        (STEP * window.failures.saturating_sub(FREE)).min(LONGEST)
    }

    /// Forgets half of the addresses, those that have failed least.
    fn forget_the_mildest(&mut self) {
        let mut failures: Vec<u32> = self.0.values().map(|window| window.failures).collect();
        let middle = failures.len() / 2;
        let (_, median, _) = failures.select_nth_unstable(middle);
        let (median, mut room) = (*median, middle);
        self.0.retain(|_, window| {
            let goes = window.failures <= median && room > 0;
            room -= usize::from(goes);
            !goes
        });
    }
}

fn network(address: Option<IpAddr>) -> Network {
    match address.map(|address| address.to_canonical()) {
        None => Network::Local,
        Some(IpAddr::V4(address)) => Network::V4(address.octets()),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            Network::V6([a, b, c, d, e, f, g, h])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Network {
        network(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_that_fails_often_is_answered_late_for_a_minute() {
        let (mut memory, begun) = (Memory::default(), Instant::now());
        let delays: Vec<u128> = (0..13).map(|_| memory.fail(of("192.0.2.1"), begun).as_millis()).collect();
        assert_eq!(delays[..10], [0; 10]);
        assert_eq!(delays[10..], [250, 500, 750]);
        assert_eq!(memory.fail(of("192.0.2.2"), begun), Duration::ZERO, "another address");
        assert_eq!((0..1000).map(|_| memory.fail(of("192.0.2.1"), begun)).max(), Some(LONGEST));
        assert_eq!(memory.fail(of("192.0.2.1"), begun + WINDOW), Duration::ZERO);
    }

    #[test]
    fn what_the_owner_of_an_ipv6_network_can_choose_makes_no_difference() {
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_worst() {
        let (mut memory, begun) = (Memory::default(), Instant::now());
        for _ in 0..20 {
            memory.fail(of("192.0.2.1"), begun);
        }
        for number in 0..20_000_u32 {
            memory.fail(Network::V4(number.to_be_bytes()), begun);
            assert!(memory.0.len() <= ADDRESSES);
        }
        assert!(memory.fail(of("192.0.2.1"), begun) > Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_eleventh_answer_is_late() {
        let failed = FailedLogins::default();
        let begun = Instant::now();
        for _ in 0..10 {
            failed.note(None, "GetJob", Rejection::Unknown).await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        failed.note(None, "GetJob", Rejection::Unknown).await;
        assert_eq!(begun.elapsed(), STEP);
    }
}
