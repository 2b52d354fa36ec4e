//! What a reader is told to type works, in the order of each page.

use std::net::TcpListener;
use std::path::Path;

use tempfile::TempDir;
use tokio::net::UnixStream;

use super::blocks::{Block, Step, steps};
use super::not_run::{NOT_RUN, Why};
use super::shown::{matches, session};
use super::terminal::{Terminal, commands};
use super::{all, read, root};
use crate::support::redis::PrivateRedis;
use crate::support::sentinels::free_ports;
use crate::support::service::{LIMIT, PROGRAM, Service};
use crate::support::wait::eventually;

/// Has a test for each page that has commands.
macro_rules! pages {
    ($($name:ident: $page:literal,)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                follow($page).await;
            }
        )*
    };
}

pages! {
    backup: "docs/backup.md",
    dashboard: "docs/dashboard.md",
    fleet: "docs/fleet.md",
    jobs: "docs/jobs.md",
    lifecycle_today: "docs/lifecycle-today.md",
    operations: "docs/operations.md",
    readme: "README.md",
    security: "docs/security.md",
    tutorial: "docs/tutorial.md",
}

/// Ports of servers that pages start, and of their Sentinels.
const SENTINEL_PORTS: [&str; 5] = ["16379", "16380", "26379", "26380", "26381"];

/// Ports of servers of a Cluster, and of the one before it.
const CLUSTER_PORTS: [&str; 7] = ["17000", "17001", "17002", "17003", "17004", "17005", "17006"];

/// Ports on which servers of a Cluster can listen: the port 10000 above each of them is free as well.
fn free_cluster_ports() -> Vec<String> {
    let has_bus = |port: &u16| {
        port.checked_add(10_000).is_some_and(|bus| TcpListener::bind(("127.0.0.1", bus)).is_ok())
    };
    let free: Vec<u16> = free_ports(200).into_iter().filter(has_bus).take(CLUSTER_PORTS.len()).collect();
    assert_eq!(free.len(), CLUSTER_PORTS.len(), "there are so many free ports");
    free.into_iter().map(|port| port.to_string()).collect()
}

#[test]
fn every_shell_block_is_run_or_says_why_not() {
    let (mut unknown, mut known) = (Vec::new(), Vec::new());
    for page in all() {
        let (steps, unmarked) = steps(Path::new(&page), &read(&page));
        assert_eq!(
            !steps.is_empty(),
            PAGES.contains(&page.as_str()),
            "{page} is followed if it has commands to run"
        );
        for block in unmarked {
            match NOT_RUN.iter().position(|(of, line, _)| *of == page && block.first_line().starts_with(line))
            {
                Some(index) => known.push(index),
                None => unknown.push(format!("{page}:{}: {}", block.line, block.first_line())),
            }
        }
    }
    assert!(unknown.is_empty(), "neither run nor listed in not_run: {unknown:#?}");
    let gone: Vec<_> = NOT_RUN.iter().enumerate().filter(|(index, _)| !known.contains(index)).collect();
    assert!(gone.is_empty(), "no longer on the pages: {gone:#?}");
    for (page, line, why) in NOT_RUN {
        match why {
            Why::RunBy(file) => assert!(root().join(file).exists(), "{page}: {line}: there is no {file}"),
            Why::Cannot(reason) => assert!(reason.contains(' '), "{page}: {line}: {reason:?} is no reason"),
        }
    }
}

/// What `make demo` runs once everything is built.
#[tokio::test]
async fn demo() {
    let script = tokio::process::Command::new(root().join("examples/demo.sh"))
        .env("HERO_SUPERVISOR", PROGRAM)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&script.stdout);
    assert!(script.status.success(), "{text}\n{}", String::from_utf8_lossy(&script.stderr));
    for part in ["\n42\n", "Hello World!", "alice works for billing", "osis_actor_2", "\nDone"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// Does what a page says from its first line to its last.
async fn follow(page: &str) {
    let text = read(page);
    let mut place = Place::new(&text).await;
    for step in steps(Path::new(page), &text).0 {
        match step {
            Step::Serve(line) => place.serve(&line).await,
            Step::Save { name, text } => {
                std::fs::write(place.folder.path().join(name), place.here(&text)).unwrap()
            }
            Step::Run { block, exit } => place.run(page, &block, exit).await,
            Step::Interrupt(block) => place.interrupt(page, &block),
        }
    }
}

/// A folder in which `examples` and `clients` are those of the repository, a terminal there, and the servers.
struct Place {
    terminal: Terminal,
    server: Option<Service>,
    /// What a page writes, and what stands for it here.
    addresses: Vec<(&'static str, String)>,
    _redis: Option<PrivateRedis>,
    folder: TempDir,
}

impl Place {
    /// With a Redis, if the page names the address of one and does not start it.
    async fn new(page: &str) -> Self {
        // Unix sockets have short paths, so the folder is made in /tmp whatever TMPDIR says.
        let folder = tempfile::Builder::new().prefix("hpg").tempdir_in("/tmp").unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["clients", "docs", "examples", "proto"] {
            std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).unwrap();
        }
        for name in ["hero/var", "zinit"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let starts_redis = page.contains("--port 6379");
        let redis =
            if page.contains(":6379") && !starts_redis { Some(PrivateRedis::start().await) } else { None };
        let socket =
            redis.as_ref().map_or_else(|| path("r.sock"), |redis| redis.socket().display().to_string());
        let mut addresses = vec![
            ("/usr/local/bin", Path::new(PROGRAM).parent().unwrap().display().to_string()),
            ("redis://localhost:6379", format!("unix://{socket}")),
            ("redis://127.0.0.1:6379", format!("unix://{socket}")),
            ("--port 6379", format!("--port 0 --unixsocket {socket}")),
            ("/etc/zinit", path("zinit")),
            // Where the command line of Zinit looks for it in a home.
            ("/var/run/zinit.sock", path("hero/var/zinit.sock")),
        ];
        if starts_redis || redis.is_some() {
            addresses.push(("redis-cli ", format!("redis-cli -s {socket} ")));
        }
        if page.contains(SENTINEL_PORTS[0]) {
            let free = free_ports(SENTINEL_PORTS.len());
            addresses
                .extend(SENTINEL_PORTS.into_iter().zip(free).map(|(port, free)| (port, free.to_string())));
        }
        if page.contains(CLUSTER_PORTS[0]) {
            addresses.extend(CLUSTER_PORTS.into_iter().zip(free_cluster_ports()));
        }
        let terminal = Terminal::open(folder.path(), &[]);
        Self { terminal, server: None, addresses, _redis: redis, folder }
    }

    async fn serve(&mut self, line: &str) {
        self.server = None;
        let server = Service::of_line(&self.here(line)).await;
        if line.starts_with("hero-supervisor dev") {
            let banner = async || server.stdout().contains("Ctrl-C").then_some(());
            eventually("it says what to try", LIMIT, banner).await;
        }
        let own = [
            ("127.0.0.1:50051", server.address()),
            ("/var/lib/hero-supervisor/dev", server.dir().join("data").display().to_string()),
        ];
        self.addresses.retain(|(page, _)| own.iter().all(|(own, _)| own != page));
        self.addresses.extend(own);
        let (_, code) =
            self.terminal.run(&format!("export HERO_SUPERVISOR_SERVER=http://{}", server.address()));
        assert_eq!(code, 0);
        self.server = Some(server);
    }

    /// A text of the page, with the addresses of here.
    fn here(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    /// An output, with the addresses of the page.
    fn there(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (page, here)| text.replace(here, page))
    }

    async fn run(&mut self, page: &str, block: &Block, exit: i32) {
        let typed = if block.is_session() { session(&block.text) } else { Vec::new() };
        let mut todo: Vec<_> = typed.into_iter().map(|typed| (typed.command, typed.shown)).collect();
        if todo.is_empty() {
            todo = commands(&block.text).into_iter().map(|command| (command, Vec::new())).collect();
        }
        let shows = todo.iter().any(|(_, shown)| !shown.is_empty());
        let last = todo.len() - 1;
        for (number, (command, shown)) in todo.into_iter().enumerate() {
            let (output, code) = self.terminal.run(&self.here(&command));
            let output = self.there(&output);
            if command.starts_with("zinit-server ") {
                self.until_there("hero/var/zinit.sock").await;
            }
            let place = format!("{page}:{}: {command}\n{output}", block.line);
            assert_eq!(code, if number == last { exit } else { 0 }, "{place}");
            let lines: Vec<&str> = output.lines().collect();
            assert!(!shows || matches(&shown, &lines), "{place}\nbut the page shows\n{}", shown.join("\n"));
        }
    }

    /// Waits for the socket of a server that was started in the background.
    async fn until_there(&self, socket: &str) {
        let socket = self.folder.path().join(socket);
        eventually("its socket is there", LIMIT, async || UnixStream::connect(&socket).await.ok().map(drop))
            .await;
    }

    fn interrupt(&self, page: &str, block: &Block) {
        let address = self.server.as_ref().map(|server| format!("http://{}", server.address()));
        let environment: Vec<_> =
            address.into_iter().map(|address| ("HERO_SUPERVISOR_SERVER", address)).collect();
        for command in commands(&block.text) {
            let (output, code) = self.terminal.interrupt(&environment, &self.here(&command));
            assert_eq!(code, 130, "{page}:{}: {command}\n{output}", block.line);
        }
    }
}
