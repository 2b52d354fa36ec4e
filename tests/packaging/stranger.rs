//! A stranger on a clean Debian does what docs/install.md says, from the package to an upgrade: nothing is lost on the way.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::machine::Machine;
use crate::ran::{eventually, run};

/// The languages that there are clients for.
const CLIENTS: [&str; 5] = ["go", "java", "python", "rust", "typescript"];

/// A stranger at a machine, and the time that each step took.
struct Stranger {
    machine: Machine,
    times: Vec<(&'static str, Duration)>,
}

#[test]
fn a_stranger_installs_it_calls_it_in_each_language_and_upgrades_it() {
    let mut stranger = Stranger::at_a_clean_debian();
    stranger.step("install the package, and run a job", Stranger::install);
    stranger.step("run a job from each client", Stranger::call_from_each_client);
    stranger.step("read why a job waits", Stranger::read_why_a_job_waits);
    stranger.make_newer();
    let before = stranger.begin_jobs();
    stranger.step("upgrade", |stranger| stranger.install_newer(&before));
    stranger.end_jobs(before);
    stranger.step("hand over to the new programs", Stranger::hand_over);
    stranger.report();
}

/// Pid and start of an actor.
type Actor = (u32, SystemTime);

/// What goes on while the package is upgraded.
struct Before {
    actors: Vec<Actor>,
    supervisor: u32,
    zinit: u32,
    /// The job that runs all the time, and a caller who waits for it.
    through: String,
    caller: Child,
    /// Jobs that wait behind others.
    waiting: Vec<String>,
}

impl Stranger {
    fn at_a_clean_debian() -> Self {
        let machine = Machine::boot();
        // The page is for people who are not root.
        let sudo = "printf '#!/bin/sh\nexec \"$@\"\n' >/usr/local/bin/sudo && chmod 755 /usr/local/bin/sudo";
        machine.ok("sh", &["-c", sudo]);
        Self { machine, times: Vec::new() }
    }

    fn step(&mut self, what: &'static str, step: impl FnOnce(&Self)) {
        let begun = Instant::now();
        step(&*self);
        self.times.push((what, begun.elapsed()));
    }

    #[expect(clippy::print_stderr, reason = "docs/install.md has these figures")]
    fn report(&self) {
        for (what, time) in &self.times {
            eprintln!("{:6.1} s  {what}", time.as_secs_f64());
        }
    }

    /// Types a line of the page in a folder, and says yes to what is asked.
    fn type_line(&self, folder: &str, line: &str) -> String {
        self.machine.ok("bash", &["-c", &format!("cd {folder} && yes 2>/dev/null | {{ {line}\n}}")])
    }

    fn install(&self) {
        let lines = block("Debian and Ubuntu", 0);
        let [install, job, doctor] = &lines[..] else { panic!("{lines:?}") };
        self.type_line("/dist", install);
        assert_eq!(self.type_line("/root", job), "42");
        let found = self.type_line("/root", doctor);
        assert!(found.contains("nothing stands in the way"), "{found}");
    }

    fn call_from_each_client(&self) {
        let packed = crate::dist().join("clients");
        let socket = self.machine.path("/run/hero-supervisor/supervisor.sock");
        for language in CLIENTS {
            assert!(packed.join(language).exists(), "{language} is not packed: make dist-clients");
            let tried = run(Command::new(crate::root().join("clients/try"))
                .arg(language)
                .arg(&packed)
                .env("HERO_SUPERVISOR_SERVER", format!("unix:{}", socket.display())));
            let printed = tried.ok(language);
            assert!(!printed.is_empty() && printed.lines().all(|line| line == "42"), "{language}: {printed}");
        }
    }

    fn read_why_a_job_waits(&self) {
        let machine = &self.machine;
        machine.ok("hero-supervisor", &["queue", "pause", "osis", "--reason", "maintenance"]);
        let id = machine.ok("hero-supervisor", &["job", "submit", "6 * 7"]);
        let shown = machine.ok("hero-supervisor", &["job", "get", &id]);
        let why = shown.lines().find(|line| line.starts_with("waits ")).expect("it says why it waits");
        assert!(why.contains("osis") && why.contains("paused") && why.contains("maintenance"), "{why}");
        machine.ok("hero-supervisor", &["queue", "resume", "osis"]);
        assert_eq!(machine.ok("hero-supervisor", &["job", "await", &id]), "42");
    }

    fn begin_jobs(&self) -> Before {
        let machine = &self.machine;
        let script = "import os, time\nwhile not os.path.exists('/var/lib/hero-supervisor/go'): time.sleep(0.1)\n'through'";
        let through = machine.ok("hero-supervisor", &["job", "submit", "--type", "python", script]);
        let submit = |i: i32| machine.ok("hero-supervisor", &["job", "submit", &format!("{i} * 2")]);
        let waiting = (0..20).map(submit).collect();
        eventually("the long job runs", || (self.state(&through) == "RUNNING").then_some(()));
        let caller =
            machine.command("hero-supervisor", &["job", "await", &through]).stdin(Stdio::null()).spawn();
        // A change of the administrator's.
        let change = "sed -i 's/^# metrics_listen/metrics_listen/' /etc/hero-supervisor.toml";
        machine.ok("sh", &["-c", change]);
        let actors = self.actors();
        assert!(actors.len() >= 2, "{actors:?}");
        let (supervisor, zinit) = (machine.main_pid("hero-supervisor"), machine.main_pid("hero-zinit"));
        Before { actors, supervisor, zinit, through, caller: caller.unwrap(), waiting }
    }

    /// Makes a package of a later version, as a release would.
    fn make_newer(&self) {
        let _alone = crate::packing();
        let made = run(Command::new(crate::root().join("packaging/deb"))
            .env("DIST_VERSION", "99.0.0")
            .env("DIST_OUT", self.machine.outside().join("newer"))
            .env("DIST_QUICK", "yes"));
        made.ok("a newer package");
    }

    fn install_newer(&self, before: &Before) {
        let machine = &self.machine;
        self.type_line("/outside/newer", &block("Debian and Ubuntu", 0)[0]);
        machine.ok("hero-supervisor", &["wait", "ready", "--timeout", "60s"]);
        assert_ne!(machine.main_pid("hero-supervisor"), before.supervisor, "the supervisor is the new one");
        assert_eq!(machine.main_pid("hero-zinit"), before.zinit, "Zinit is the same process");
        let (was, is) = (&before.actors, &self.actors());
        let same = |((pid, start), (pid_now, start_now)): (&Actor, &Actor)| {
            let off = start.max(start_now).duration_since(*start.min(start_now)).unwrap();
            pid == pid_now && off < Duration::from_millis(100)
        };
        let same = was.len() == is.len() && was.iter().zip(is).all(same);
        assert!(same, "actors are the same processes, and as old as they are: {was:?} {is:?}");
        assert_eq!(self.state(&before.through), "RUNNING");
        let kept = machine.ok("grep", &["^metrics_listen", "/etc/hero-supervisor.toml"]);
        assert!(kept.contains("9464"), "the change stays: {kept}");
    }

    fn end_jobs(&self, mut before: Before) {
        let machine = &self.machine;
        machine.ok("touch", &["/var/lib/hero-supervisor/go"]);
        assert!(before.caller.wait().unwrap().success(), "who waited is answered");
        for (i, id) in before.waiting.iter().enumerate() {
            assert_eq!(machine.ok("hero-supervisor", &["job", "await", id]), (i * 2).to_string());
        }
        assert_eq!(machine.ok("hero-supervisor", &["job", "await", &before.through]), "through");
        assert_eq!(self.job(&before.through)["attempt"], 1, "it ran once");
    }

    fn hand_over(&self) {
        let pids = || self.actors().into_iter().map(|(pid, _started)| pid).collect::<Vec<_>>();
        let lines = block("Debian and Ubuntu", 2);
        let [restart, restart_zinit] = &lines[..] else { panic!("{lines:?}") };
        for line in [restart, restart_zinit] {
            let before = pids();
            self.type_line("/root", line);
            self.machine.ok("hero-supervisor", &["wait", "ready", "--timeout", "60s"]);
            assert!(pids().iter().all(|pid| !before.contains(pid)), "{line}: they were restarted");
            assert_eq!(self.machine.job("osis", "2"), "2");
        }
    }

    fn job(&self, id: &str) -> Value {
        let got = self.machine.ok("hero-supervisor", &["job", "get", id, "-o", "json"]);
        serde_json::from_str::<Value>(&got).unwrap()["job"].clone()
    }

    fn state(&self, id: &str) -> String {
        self.job(id)["state"].as_str().unwrap().trim_start_matches("STATE_").to_owned()
    }

    /// The actors that run.
    fn actors(&self) -> Vec<Actor> {
        let listed = self.machine.ok("hero-supervisor", &["actor", "ls", "-o", "json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let actors = listed["actors"].as_array().cloned().unwrap_or_default();
        let running = actors.iter().filter(|actor| actor["state"] == "STATE_RUNNING");
        let fact = |actor: &Value| {
            let pid = actor["pid"].as_u64().unwrap().try_into().unwrap();
            let start = actor["startTime"].as_str().expect("its start is known");
            (pid, humantime::parse_rfc3339(start).unwrap())
        };
        running.map(fact).collect()
    }
}

/// The lines of a shell block of docs/install.md: the nth block below a heading.
pub(crate) fn block(heading: &str, number: usize) -> Vec<String> {
    let page = fs::read_to_string(crate::root().join("docs/install.md")).unwrap();
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(heading)).unwrap();
    let block = section.split("```").skip(1).step_by(2).nth(number).unwrap();
    block.lines().skip(1).map(str::to_owned).collect()
}
