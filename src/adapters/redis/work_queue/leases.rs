//! Held leases: heartbeats, starts, output, releases.

use std::time::SystemTime;

use redis::Cmd;

use super::{CALL_BYTES, HeldJob, LEASES, RedisWorkQueue};
use crate::adapters::redis::functions::Function;
use crate::adapters::redis::keys::{GROUP, Lane, Place};
use crate::adapters::redis::records::{encode_output, millis};
use crate::domain::model::output::OutputChunk;
use crate::ports::store_fault::StoreFault;
use crate::ports::work_queue::{Lease, LeaseOutput};

impl RedisWorkQueue {
    /// Renews leases and returns the void ones.
    pub(super) async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, StoreFault> {
        let generation = self.connection.before(self.config.durability, &self.streams.queue).await?;
        let mut void = Vec::new();
        let mut by_lane: [Vec<(Place, &Lease)>; 3] = Default::default();
        for lease in leases {
            match Place::of(lease) {
                Some(place) => by_lane[place.lane as usize].push((place, lease)),
                None => void.push(lease.clone()),
            }
        }
        for (lane, held) in Lane::ALL.into_iter().zip(by_lane) {
            for chunk in held.chunks(LEASES) {
                let mut claim = redis::cmd("XCLAIM");
                claim.arg(self.streams.lane(lane)).arg(GROUP).arg(&self.consumer).arg(0);
                for (place, _lease) in chunk {
                    claim.arg(place.entry());
                }
                claim.arg("JUSTID");
                let kept: Vec<String> = match self.connection.call(&claim, "leases").await {
                    // The group has gone, with all that was pending in it.
                    Err(StoreFault::Rejected { reason }) if reason.contains("NOGROUP") => Vec::new(),
                    other => other?,
                };
                let lost = chunk.iter().filter(|(place, _lease)| !kept.contains(&place.entry()));
                void.extend(lost.map(|(_place, lease)| (*lease).clone()));
            }
        }
        Ok(self.forget_void(void, generation).await)
    }

    /// Makes jobs RUNNING and returns void leases.
    pub(super) async fn send_starts(
        &self,
        started: &[(Lease, SystemTime)],
    ) -> Result<Vec<Lease>, StoreFault> {
        let generation = self.connection.before(self.config.durability, &self.streams.queue).await?;
        let mut void = Vec::new();
        for chunk in started.chunks(LEASES) {
            let mut command = self.function(Function::Start);
            let mut asked = Vec::with_capacity(chunk.len());
            for (lease, at) in chunk {
                match self.held_job(lease) {
                    Some((place, held)) => {
                        add_lease(&mut command, place, lease).arg(held.attempt).arg(millis(*at));
                        asked.push(lease);
                    }
                    None => void.push(lease.clone()),
                }
            }
            void.extend(self.call_for_each(&command, &asked, "a start").await?);
        }
        Ok(self.forget_void(void, generation).await)
    }

    /// Reports output and returns void leases.
    pub(super) async fn send_output(&self, output: &[LeaseOutput]) -> Result<Vec<Lease>, StoreFault> {
        let generation = self.connection.before(self.config.durability, &self.streams.queue).await?;
        let mut void = Vec::new();
        let mut reported = output.iter().peekable();
        while reported.peek().is_some() {
            let mut command = self.function(Function::Log);
            let (mut asked, mut bytes) = (Vec::new(), 0);
            while bytes < CALL_BYTES
                && let Some(LeaseOutput { lease, chunks }) = reported.next()
            {
                let Some((place, held)) = self.held_job(lease) else {
                    void.push(lease.clone());
                    continue;
                };
                add_output(&mut command, place, held.attempt, lease, chunks);
                bytes += chunks.iter().map(|chunk| chunk.item.len()).sum::<usize>();
                asked.push(lease);
            }
            void.extend(self.call_for_each(&command, &asked, "the output of jobs").await?);
        }
        Ok(self.forget_void(void, generation).await)
    }

    /// Calls a function that returns 1 or 0 for each lease. Returns the leases with 0, which are void.
    async fn call_for_each(
        &self,
        command: &Cmd,
        leases: &[&Lease],
        what: &str,
    ) -> Result<Vec<Lease>, StoreFault> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let answers: Vec<i64> = self.connection.call(command, what).await?;
        let void = leases.iter().zip(answers).filter(|(_lease, answer)| *answer != 1);
        Ok(void.map(|(lease, _answer)| (*lease).clone()).collect())
    }

    /// Returns jobs that were not started to where they were.
    pub(super) async fn release_places(&self, places: &[(Place, String)]) -> Result<(), StoreFault> {
        for chunk in places.chunks(LEASES) {
            let mut release = self.function(Function::Release);
            for (place, id) in chunk {
                release.arg(place.lane.letter()).arg(place.entry()).arg(id);
            }
            self.connection.call::<()>(&release, "a release").await?;
        }
        Ok(())
    }

    /// The place and the state of a held job; None for a lease that is known to be void.
    pub(super) fn held_job(&self, lease: &Lease) -> Option<(Place, HeldJob)> {
        let held = self.held.lock().get(&lease.token).cloned()?;
        Some((Place::of(lease)?, held))
    }

    /// Forgets void leases, and returns them. None counts as void before a replica knows of it: a former primary that comes back
    /// may have ended their jobs by calls that nobody has heard of, and the present one has not. They are asked about again.
    async fn forget_void(&self, void: Vec<Lease>, generation: Option<u64>) -> Vec<Lease> {
        if let Some(generation) = generation.filter(|_generation| !void.is_empty())
            && let Err(error) =
                self.replicas.acknowledge(&self.connection, &self.streams.queue, generation).await
        {
            tracing::debug!(%error, "leases: void ones kept for now (no replica has confirmed it)");
            return Vec::new();
        }
        self.forget(&void);
        void
    }

    pub(super) fn forget(&self, leases: &[Lease]) {
        let mut held = self.held.lock();
        for lease in leases {
            held.remove(&lease.token);
        }
    }
}

/// Adds lane, entry and job of a lease to a call.
pub(super) fn add_lease<'a>(command: &'a mut Cmd, place: Place, lease: &Lease) -> &'a mut Cmd {
    command.arg(place.lane.letter()).arg(place.entry()).arg(lease.job_id.as_str())
}

/// Adds the output of a job to a call, as one job of `hero_log`.
pub(super) fn add_output(
    command: &mut Cmd,
    place: Place,
    attempt: u32,
    lease: &Lease,
    chunks: &[OutputChunk],
) {
    add_lease(command, place, lease).arg(attempt).arg(chunks.len());
    for chunk in chunks {
        let (kind, text) = encode_output(&chunk.item);
        command.arg(chunk.number).arg(millis(chunk.at)).arg(kind).arg(text);
    }
}
