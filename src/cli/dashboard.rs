//! `dashboard`: says where the dashboard of a server is, and opens it.

use std::io::{IsTerminal, stdout};
use std::process::Stdio;

use clap::Args;
use tonic::Code;

use super::{ClientArgs, Exit, Failure, client};
use crate::proto::{CreateLoginCodeRequest, GetServerInfoRequest};

/// Options of `dashboard`.
#[derive(Debug, Args)]
pub struct DashboardArgs {
    /// Only print the address; the default when the output is no terminal
    #[arg(long)]
    pub no_open: bool,
}

pub(super) async fn run(client: ClientArgs, args: DashboardArgs) -> Result<Exit, Failure> {
    let mut server = client.connect().await?;
    let info = server.get_server_info(client::call(GetServerInfoRequest {})).await?.into_inner();
    let url = &info.dashboard_url;
    if url.is_empty() {
        let told = "this server shows no dashboard: start it with --dashboard-listen 127.0.0.1:9465, or show it who you are";
        return Err(Failure::new(Exit::Refused, told.to_owned()));
    }
    // Where callers have identities the page needs one as well: that of the caller of this command.
    let is_known = info.identity.as_ref().is_some_and(|identity| !identity.id.is_empty());
    let code = match is_known {
        true => server.create_login_code(client::call(CreateLoginCodeRequest {})).await.map(Some),
        false => Ok(None),
    };
    let url = match code {
        Ok(code) => code.map_or_else(|| url.clone(), |code| code.into_inner().url),
        // An earlier server, whose page asks for a token.
        Err(status) if status.code() == Code::Unimplemented => url.clone(),
        Err(status) => return Err(status.into()),
    };
    client.printer().response(&info, [url.clone()], || url.clone())?;
    if !args.no_open && stdout().is_terminal() {
        open(&url);
    }
    Ok(Exit::Ok)
}

/// Opens a browser, where there is a screen. The address was printed, so a failure is none.
fn open(url: &str) {
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let program = match (cfg!(target_os = "macos"), has_screen) {
        (true, _) => "open",
        (false, true) => "xdg-open",
        (false, false) => return,
    };
    let mut command = std::process::Command::new(program);
    let _opened = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}
