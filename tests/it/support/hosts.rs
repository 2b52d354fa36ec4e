//! Hosts with a network each, on a wire that can be cut, and a place that all of them reach: the address of this side.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Subnets of sixteen addresses in 198.19.0.0/16, which is for tests (RFC 2544).
const SUBNETS: u32 = 4096;

/// Networks of hosts on one bridge. Dropped, all of it is gone.
pub(crate) struct Networks {
    bridge: String,
    /// The address of this side.
    pub(crate) here: String,
    hosts: Vec<String>,
}

impl Networks {
    pub(crate) fn new(hosts: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id().wrapping_mul(4).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
        let first = (number % SUBNETS) * 16;
        let address = |offset: u32| {
            let [_, _, c, d] = (first + offset).to_be_bytes();
            format!("198.19.{c}.{d}")
        };
        let mark = format!("{:x}", number % 0xfff_ffff);
        let mut networks = Self { bridge: format!("hb{mark}"), here: address(1), hosts: Vec::new() };
        let bridge = networks.bridge.clone();
        ip(&format!("link add {bridge} type bridge"));
        ip(&format!("address add {}/28 dev {bridge}", networks.here));
        ip(&format!("link set {bridge} up"));
        for host in 0..hosts {
            let name = format!("hh{mark}-{host}");
            ip(&format!("netns add {name}"));
            networks.hosts.push(name.clone());
            let wire = networks.wire(host as usize);
            ip(&format!("link add {wire} type veth peer name e0 netns {name}"));
            ip(&format!("link set {wire} master {bridge} up"));
            ip(&format!("-n {name} address add {}/28 dev e0", address(2 + host)));
            ip(&format!("-n {name} link set e0 up"));
            ip(&format!("-n {name} link set lo up"));
        }
        networks
    }

    /// The end of a host's wire at the bridge.
    fn wire(&self, host: usize) -> String {
        format!("{}-{host}", self.bridge.replacen("hb", "hw", 1))
    }

    /// Words in front of a command that is to run on a host.
    pub(crate) fn on(&self, host: usize) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/run/netns/{}", self.hosts[host])]
    }

    /// Cuts a host off.
    pub(crate) fn cut(&self, host: usize) {
        ip(&format!("link set {} down", self.wire(host)));
    }

    /// Joins it again.
    pub(crate) fn join(&self, host: usize) {
        ip(&format!("link set {} up", self.wire(host)));
    }
}

fn ip(line: &str) {
    let done = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {line} (as root?): {}", String::from_utf8_lossy(&done.stderr));
}

impl Drop for Networks {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _gone = Command::new("ip").args(["netns", "delete", host]).output();
        }
        let _gone = Command::new("ip").args(["link", "delete", &self.bridge]).output();
    }
}
