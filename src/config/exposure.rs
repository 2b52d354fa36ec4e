//! Addresses that other machines can reach, and their protection.

use super::listen::{self, ListenAddr, Protection};
use super::{AuthMode, Config};

impl Config {
    /// Returns true if callers must show who they are: as `auth.mode` says, otherwise if another machine can reach an address
    /// or the configuration says who may call.
    pub fn requires_auth(&self) -> bool {
        match self.auth.mode {
            Some(mode) => mode == AuthMode::Required,
            None => self.auth.names_somebody() || self.of_calls().any(|(_key, addr)| !addr.is_private()),
        }
    }

    /// Returns true if readers of `/metrics` must show who they are.
    pub fn metrics_need_auth(&self) -> bool {
        match self.metrics_auth {
            Some(mode) => mode == AuthMode::Required,
            None => self.requires_auth() && self.metrics_are_public(),
        }
    }

    /// Returns true if other machines can reach `/metrics`.
    fn metrics_are_public(&self) -> bool {
        self.metrics_listen.as_ref().is_some_and(|addr| !addr.is_private())
    }

    /// Returns the addresses that other machines can reach without TLS or without authentication, each with what is
    /// missing. There is none without `insecure`.
    pub fn exposed(&self) -> Vec<(&ListenAddr, &'static str)> {
        self.unprotected().map(|(_key, addr, missing)| (addr, missing)).collect()
    }

    /// Returns the addresses that calls are served on, each with its key.
    fn of_calls(&self) -> impl Iterator<Item = (&'static str, &ListenAddr)> {
        let grpc = self.listen.iter().map(|addr| ("listen", addr));
        grpc.chain(self.dashboard_listen.iter().map(|addr| ("dashboard_listen", addr)))
    }

    fn unprotected(&self) -> impl Iterator<Item = (&'static str, &ListenAddr, &'static str)> {
        let missing = self.protection().missing();
        let public = self.of_calls().filter(|(_key, addr)| !addr.is_private());
        public.filter_map(move |(key, addr)| Some((key, addr, missing?)))
    }

    fn protection(&self) -> Protection {
        Protection { tls: self.tls.cert.is_some(), auth: self.requires_auth() }
    }

    /// Checks what other machines can reach.
    pub(super) fn check_exposure(&self, wrong: &mut impl FnMut(&str, String)) {
        if !self.insecure {
            for (key, addr, _missing) in self.unprotected() {
                wrong(key, listen::refusal(addr, self.protection()));
            }
        }
        self.check_metrics(wrong);
    }

    /// Checks who can read `/metrics`.
    fn check_metrics(&self, wrong: &mut impl FnMut(&str, String)) {
        if !self.requires_auth() {
            if self.metrics_auth == Some(AuthMode::Required) {
                let what =
                    "has no effect while auth.mode is off: name tokens, certificates or users in [auth]";
                wrong("metrics_auth", what.to_owned());
            }
            return;
        }
        if self.insecure || !self.metrics_are_public() {
            return;
        }
        if !self.metrics_need_auth() {
            let what = "is off, and metrics_listen can be reached from other machines, while gRPC asks for tokens: remove \
                        it, or say --insecure if the network is yours alone";
            wrong("metrics_auth", what.to_owned());
        } else if !self.tls.metrics {
            let what = "can be reached from other machines, and there is no TLS: anyone on the way could read tokens. Set \
                        tls.metrics, or say --insecure if the network is yours alone";
            wrong("metrics_listen", what.to_owned());
        }
    }
}
