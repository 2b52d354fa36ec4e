//! The network, as far as scripts need to look at it.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rhai::{INT, ImmutableString, Map};

use super::command::{ask, attempt, text};
use super::context::{Called, Context, failed};
use super::processes::need;
use super::registry::Registry;

/// Longest wait for a connection.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Exit codes of curl for a text that is no URL of a known kind.
const NO_URL: [INT; 2] = [1, 3];

pub(super) fn write(registry: &mut Registry, context: &Arc<Context>) {
    registry.family(
        "Network",
        "`tcp_ping` needs the program `ping`, the functions for HTTP `curl`, and those for SSH `ssh`, which never asks for a password and \
         uses the keys of the actor's user.",
    );
    let w = Arc::clone(context);
    let about = "True if something accepts connections at this port within 5 s.";
    registry.add("tcp_check", &["host", "port"], about, move |host: ImmutableString, port: INT| {
        tcp_check(&w, &host, port)
    });
    let w = Arc::clone(context);
    let about = "True if a host answers an ICMP echo within 5 s.";
    registry.add("tcp_ping", &["host"], about, move |host: ImmutableString| {
        let args = ["-c", "1", "-W", "5", "--", &host];
        attempt(&w, need(&w, "ping")?, &args, true).map(|ran| code(&ran) == 0)
    });
    http(registry, context);
    ssh(registry, context);
}

fn tcp_check(context: &Context, host: &str, port: INT) -> Called<bool> {
    let port = u16::try_from(port).map_err(|_| "a port is a number from 0 to 65535")?;
    let Ok(mut addresses) = (host, port).to_socket_addrs() else { return Ok(false) };
    let open = addresses.any(|address| {
        let time_limit = context.session.left().min(TIME_LIMIT);
        !time_limit.is_zero() && TcpStream::connect_timeout(&address, time_limit).is_ok()
    });
    if context.session.is_over() { Err(Context::over()) } else { Ok(open) }
}

fn http(registry: &mut Registry, context: &Arc<Context>) {
    let w = Arc::clone(context);
    let about = "The status with which a URL answers HEAD within 10 s, at the end of all redirects; -1 when nothing answers.";
    registry.add("http_status", &["url"], about, move |url: ImmutableString| http_status(&w, &url));
    let w = Arc::clone(context);
    let about = "True if that is one from 200 to 299.";
    registry.add("http_check", &["url"], about, move |url: ImmutableString| {
        http_status(&w, &url).map(|status| (200..300).contains(&status))
    });
}

fn http_status(context: &Context, url: &str) -> Called<INT> {
    let limits =
        ["--connect-timeout", "5", "--max-time", "10", "--proto", "=http,https", "--max-redirs", "10"];
    let asked = ["-sSIL", "-o", "/dev/null", "-w", "%{http_code}", "--", url];
    let args: Vec<&str> = limits.into_iter().chain(asked).collect();
    let ran = attempt(context, need(context, "curl")?, &args, true)?;
    match code(&ran) {
        0 => text(&ran, "stdout").trim().parse().map_err(|_| failed("curl", &"did not say a status")),
        told if NO_URL.contains(&told) => Err(failed(url, &text(&ran, "stderr").trim())),
        _nothing => Ok(-1),
    }
}

fn ssh(registry: &mut Registry, context: &Arc<Context>) {
    let w = Arc::clone(context);
    let about = "Runs a command on another machine; its exit code, 255 when that cannot be reached.";
    registry.add(
        "ssh_execute",
        &["host", "user", "command"],
        about,
        move |host: ImmutableString, user: ImmutableString, command: ImmutableString| {
            let at = format!("{user}@{host}");
            attempt(&w, need(&w, "ssh")?, &ssh_args(&at, &command), false).map(|ran| code(&ran))
        },
    );
    let w = Arc::clone(context);
    let about = "Runs a command on another machine; what it writes. Throws with an exit code other than 0.";
    registry.add(
        "ssh_execute_output",
        &["host", "user", "command"],
        about,
        move |host: ImmutableString, user: ImmutableString, command: ImmutableString| {
            let at = format!("{user}@{host}");
            ask(&w, need(&w, "ssh")?, &ssh_args(&at, &command)).map(|ran| text(&ran, "stdout"))
        },
    );
    let w = Arc::clone(context);
    let about = "True if commands can be run there.";
    registry.add(
        "ssh_ping",
        &["host", "user"],
        about,
        move |host: ImmutableString, user: ImmutableString| {
            let at = format!("{user}@{host}");
            attempt(&w, need(&w, "ssh")?, &ssh_args(&at, "true"), true).map(|ran| code(&ran) == 0)
        },
    );
}

/// Returns the arguments of ssh. Nobody is there to be asked, so a host that was never seen is believed, and one that
/// has changed is not. The last option ends the options, so that the rest is none, whatever it looks like.
fn ssh_args<'a>(at: &'a str, command: &'a str) -> [&'a str; 9] {
    let unattended = ["BatchMode=yes", "ConnectTimeout=5", "StrictHostKeyChecking=accept-new"];
    let [batch, time_limit, keys] = unattended;
    ["-o", batch, "-o", time_limit, "-o", keys, "--", at, command]
}

fn code(ran: &Map) -> INT {
    ran.get("code").and_then(|code| code.as_int().ok()).unwrap_or(-1)
}
