//! Options that say whom the command line trusts, and who it is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::client::ConnectOptions;

/// Heading of the options of all commands in the help.
pub(super) const GLOBAL: &str = "Global options";

/// Certificates that the command line trusts, and its own credentials.
#[derive(Debug, Clone, Default, Args)]
pub struct AccessArgs {
    /// Trust the CAs in this PEM file instead of those of this machine [env: HERO_SUPERVISOR_CACERT]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL, hide_short_help = true)]
    pub cacert: Option<PathBuf>,
    /// Show this certificate, PEM, to a server that asks for one [env: HERO_SUPERVISOR_CLIENT_CERT]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL, hide_short_help = true)]
    pub client_cert: Option<PathBuf>,
    /// The private key of --client-cert, PEM [env: HERO_SUPERVISOR_CLIENT_KEY]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL, hide_short_help = true)]
    pub client_key: Option<PathBuf>,
    /// Send this token, never in the clear to another machine. Other users of this machine see it among the arguments: the
    /// variable and --token-file do not show it [env: HERO_SUPERVISOR_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN", help_heading = GLOBAL, hide_short_help = true)]
    pub token: Option<TokenText>,
    /// Send the token in this file [env: HERO_SUPERVISOR_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL, hide_short_help = true)]
    pub token_file: Option<PathBuf>,
    /// Send this header, for a proxy for instance; can be repeated
    #[arg(long = "header", global = true, value_name = "NAME: VALUE", help_heading = GLOBAL, hide_short_help = true)]
    pub headers: Vec<Header>,
}

impl AccessArgs {
    /// Returns the options of the client.
    pub(super) fn options(&self) -> ConnectOptions {
        ConnectOptions {
            cacert: self.cacert.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            token: self.token.as_ref().map(|token| token.0.clone()),
            token_file: self.token_file.clone(),
            headers: self.headers.iter().map(|Header(name, value)| (name.clone(), value.clone())).collect(),
            ..ConnectOptions::new()
        }
    }
}

/// A token; never printed.
#[derive(Clone)]
pub struct TokenText(String);

impl FromStr for TokenText {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A header: its name, and its value, which is never printed.
#[derive(Clone)]
pub struct Header(String, String);

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').ok_or("use NAME: VALUE")?;
        Ok(Self(name.trim().to_owned(), value.trim().to_owned()))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ***", self.0)
    }
}
