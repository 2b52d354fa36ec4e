//! `health watch`: follows the health of actors.

use std::convert::Infallible;

use tonic::Request;

use crate::cli::client::Server;
use crate::cli::values::{duration, or_dash, time, to_proto, word};
use crate::cli::watch_loop::{self, End, HEARTBEAT, ResumableWatch};
use crate::cli::{ClientArgs, Exit, Failure};
use crate::proto::watch_health_response::Item;
use crate::proto::{ActorSelector, HealthEvent, HealthReport, WatchHealthRequest};

/// State between two connections.
struct Watcher {
    client: ClientArgs,
    selector: ActorSelector,
    cursor: String,
}

pub(super) async fn run(client: ClientArgs, selector: ActorSelector) -> Result<Exit, Failure> {
    watch_loop::watch(Watcher { client, selector, cursor: String::new() }).await
}

impl ResumableWatch for Watcher {
    fn client(&self) -> &ClientArgs {
        &self.client
    }

    fn cursor(&mut self) -> &mut String {
        &mut self.cursor
    }

    async fn follow(&mut self, server: &mut Server) -> Result<Infallible, End> {
        let request = WatchHealthRequest {
            selector: Some(self.selector.clone()),
            // The rule of the server: a snapshot at the beginning, and none after a cursor.
            include_snapshot: None,
            resume_after: self.cursor.clone(),
            heartbeat_interval: to_proto(HEARTBEAT),
        };
        let out = self.client.printer();
        let mut stream = server.watch_health(Request::new(request)).await?.into_inner();
        loop {
            let message = watch_loop::next(&mut stream).await?;
            self.cursor = message.cursor;
            let printed = match message.item {
                Some(Item::Report(report)) => out.item(&report, &report.actor_id, || standing(&report)),
                Some(Item::Event(event)) => out.item(&event, &event.actor_id, || happened(&event)),
                Some(Item::Bookmark(_)) | None => Ok(()),
            };
            printed.map_err(End::Failed)?;
        }
    }
}

/// Renders the health of an actor as one line.
fn standing(report: &HealthReport) -> String {
    let ping = report.last_ping.as_ref();
    let health = word(report.health().as_str_name(), "HEALTH_");
    let trip = duration(ping.and_then(|ping| ping.round_trip));
    line(&time(ping.and_then(|ping| ping.time)), &report.actor_id, &health, &trip, &report.reason)
}

/// Renders a health event as one line.
fn happened(event: &HealthEvent) -> String {
    let health = word(event.new_health().as_str_name(), "HEALTH_");
    let trip = duration(event.ping_round_trip);
    line(&time(event.time), &event.actor_id, &health, &trip, &event.reason)
}

fn line(at: &str, actor: &str, health: &str, trip: &str, reason: &str) -> String {
    format!("{at:<20}  {actor:<20}  {health:<9}  {trip:<12}  {}", or_dash(reason).replace('\n', " "))
}
