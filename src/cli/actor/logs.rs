//! `actor logs`: shows the log of an actor, and follows it.

use std::time::{Duration, SystemTime};

use clap::Args;
use tokio::time::sleep;
use tonic::Request;

use super::Server;
use crate::cli::values::{moment_ago, time};
use crate::cli::{Exit, Failure, Output, client};
use crate::client::{ClientError, Disposition};
use crate::proto::log_entry::Stream;
use crate::proto::{StreamActorLogsRequest, StreamActorLogsResponse};

/// Delay between two attempts to resume.
const RETRY: Duration = Duration::from_millis(500);
/// Attempts after which the command gives up; a restart of the server takes less.
const GIVE_UP_AFTER: u32 = 120;

/// Options of `actor logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Name of the actor
    actor: String,
    /// Number of lines before the end to begin with
    #[arg(short = 'n', long = "tail", value_name = "N", default_value_t = 100)]
    tail: i32,
    /// Follow new lines, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only lines since then: 5m, 2h, 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment_ago)]
    since: Option<SystemTime>,
    /// Only standard output
    #[arg(long)]
    stdout: bool,
    /// Only standard error
    #[arg(long)]
    stderr: bool,
    /// Only lines that contain this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    grep: String,
    /// Print the time before each line
    #[arg(short, long)]
    timestamps: bool,
}

impl LogsArgs {
    fn request(&self) -> StreamActorLogsRequest {
        let streams = [(self.stdout, Stream::Stdout), (self.stderr, Stream::Stderr)];
        let streams = streams.into_iter().filter(|(wanted, _)| *wanted).map(|(_, stream)| stream.into());
        StreamActorLogsRequest {
            actor_id: self.actor.clone(),
            tail_lines: Some(self.tail),
            since_time: self.since.map(Into::into),
            resume_after: String::new(),
            follow: self.follow,
            streams: streams.collect(),
            contains: self.grep.clone(),
            local_only: false,
        }
    }
}

/// Prints to the end of the log. A follower resumes after its last line when the connection is lost.
pub(super) async fn run(server: &mut Server, out: Output, args: LogsArgs) -> Result<Exit, Failure> {
    let mut request = args.request();
    let mut tries = 0;
    let mut untimed = false;
    loop {
        let ended = print(server, out, &args, &mut request, &mut tries, &mut untimed).await;
        let status = match ended {
            Ok(()) => return Ok(Exit::Ok),
            Err(Ended::Output(failure)) => return Err(failure),
            Err(Ended::Call(status)) => status,
        };
        tries += 1;
        if !args.follow
            || ClientError::from(status.clone()).disposition() != Disposition::Retry
            || tries > GIVE_UP_AFTER
        {
            return Err(status.into());
        }
        if tries == 1 {
            out.notice("the server is unreachable; the log resumes when it answers");
        }
        sleep(RETRY).await;
    }
}

enum Ended {
    Call(tonic::Status),
    Output(Failure),
}

async fn print(
    server: &mut Server,
    out: Output,
    args: &LogsArgs,
    request: &mut StreamActorLogsRequest,
    tries: &mut u32,
    untimed: &mut bool,
) -> Result<(), Ended> {
    // A follower has no deadline: keepalive detects a lost server.
    let call = if args.follow { Request::new(request.clone()) } else { client::call(request.clone()) };
    let mut parts = server.stream_actor_logs(call).await.map_err(Ended::Call)?.into_inner();
    while let Some(part) = parts.message().await.map_err(Ended::Call)? {
        *tries = 0;
        if !part.cursor.is_empty() {
            request.resume_after.clone_from(&part.cursor);
        }
        if part.dropped_count > 0 {
            out.notice(&format!("{} lines are missing here", part.dropped_count));
        }
        if args.since.is_some() && !*untimed && part.entries.iter().any(|entry| entry.time.is_none()) {
            *untimed = true;
            out.notice("the process manager records no times of lines: --since has no effect on them");
        }
        if !part.entries.is_empty() {
            out.text_response(&part, [], || lines(&part, args.timestamps)).map_err(Ended::Output)?;
        }
    }
    Ok(())
}

fn lines(part: &StreamActorLogsResponse, timestamps: bool) -> String {
    let entries = part.entries.iter();
    entries
        .map(|entry| match timestamps {
            true => format!("{} {}\n", time(entry.time), entry.text),
            false => format!("{}\n", entry.text),
        })
        .collect()
}
