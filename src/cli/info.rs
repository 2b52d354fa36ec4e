//! `info`: shows the identity, the limits and the dependencies of the server.

use super::values::{duration, or_dash, time, word};
use super::{ClientArgs, Exit, Failure, client, table};
use crate::proto::{GetServerInfoRequest, GetServerInfoResponse};

pub(super) async fn run(client: ClientArgs) -> Result<Exit, Failure> {
    let mut server = client.connect().await?;
    let info = server.get_server_info(client::call(GetServerInfoRequest {})).await?.into_inner();
    client.printer().response(&info, [info.instance_id.clone()], || render(&info))?;
    Ok(Exit::Ok)
}

fn tls(info: &GetServerInfoResponse) -> String {
    let tls = match &info.tls {
        None => "off".to_owned(),
        Some(tls) => format!(
            "{} or later, client certificates: {}, for {} until {}",
            tls.min_version,
            word(tls.client_auth().as_str_name(), "CLIENT_AUTH_"),
            or_dash(&tls.names.join(" ")),
            time(tls.not_after)
        ),
    };
    match info.insecure {
        true => format!("{tls}; INSECURE: other machines reach it without TLS or authentication"),
        false => tls,
    }
}

/// Names the caller, as the server knows it.
fn you(info: &GetServerInfoResponse) -> String {
    let Some(identity) = &info.identity else { return or_dash("") };
    let name = if identity.id.is_empty() { "nobody in particular" } else { &identity.id };
    match identity.roles.is_empty() {
        true => name.to_owned(),
        false => format!("{name} ({})", identity.roles.join(", ")),
    }
}

fn render(info: &GetServerInfoResponse) -> String {
    let facts = [
        ("version", info.version.clone()),
        ("api", info.api_version.clone()),
        ("instance", info.instance_id.clone()),
        ("node", info.node.clone()),
        ("started", time(info.start_time)),
        ("mode", word(info.mode().as_str_name(), "MODE_")),
        ("tls", tls(info)),
        ("you are", you(info)),
        ("dashboard", or_dash(&info.dashboard_url)),
        ("newest event", or_dash(&info.newest_event_cursor)),
        ("capabilities", or_dash(&info.capabilities.join(" "))),
    ];
    let facts = table(["FACT", "VALUE"], facts.map(|(name, value)| [name.to_owned(), value]));
    let dependencies = info.dependencies.iter().map(|dependency| {
        let state = word(dependency.state().as_str_name(), "STATE_");
        [dependency.name.clone(), state, duration(dependency.latency), or_dash(&dependency.message)]
    });
    format!("{facts}\n{}", table(["DEPENDENCY", "STATE", "LATENCY", "MESSAGE"], dependencies))
}
