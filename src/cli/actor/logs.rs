//! `actor logs`: what an actor wrote to its standard output and error.

use clap::Args;
use tonic::Request;

use super::Server;
use crate::cli::values::time;
use crate::cli::{Exit, Failure, Output};
use crate::grpc::proto::StreamActorLogsRequest;

/// Which lines.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Its name
    actor: String,
    /// The last so many lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: i32,
    /// Go on with new lines until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// With the time of each line
    #[arg(long)]
    times: bool,
}

pub(super) async fn run(server: &mut Server, out: Output, args: LogsArgs) -> Result<Exit, Failure> {
    let request = StreamActorLogsRequest {
        actor_id: args.actor,
        tail_lines: Some(args.lines),
        follow: args.follow,
        ..StreamActorLogsRequest::default()
    };
    // No deadline: it follows as long as somebody reads.
    let mut stream = server.stream_actor_logs(Request::new(request)).await?.into_inner();
    while let Some(part) = stream.message().await? {
        out.response(&part, [], || {
            let lines = part.entries.iter().map(|entry| match args.times {
                true => format!("{} {}\n", time(entry.time), entry.text),
                false => format!("{}\n", entry.text),
            });
            lines.collect()
        })?;
    }
    Ok(Exit::Ok)
}
