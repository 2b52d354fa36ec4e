//! Where scenarios are played: a supervisor with all it needs, a line to it, and the runner of one language.

use std::collections::{HashMap, HashSet};

use hero_supervisor::domain::events::watch::STALL_LIMIT;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::compare::difference;
use super::line::{End, Line, Over};
use super::load;
use super::runner::{Operation, Runner};
use super::scenario::{Scenario, Step, fill};
use super::secrets::Secrets;
use crate::metrics::{scrape, value};
use crate::support::full_service::{client, create, definition};
use crate::support::redis::PrivateRedis;
use crate::support::service::{LIMIT, Service};
use crate::support::zinit::PrivateZinit;

/// Time beyond that which the server puts up with: it fills buffers of its own before it is stuck, and notices a moment later.
const STUCK: Duration = Duration::from_secs(5);
/// Between two looks at a fact.
const LOOK: Duration = Duration::from_millis(20);

/// A whole stage. Redis and Zinit outlive the supervisor, so jobs and actors do.
pub(super) struct Stage {
    language: String,
    played: u32,
    runner: Runner,
    line: Line,
    secrets: Option<Secrets>,
    service: Service,
    _zinit: PrivateZinit,
    redis: PrivateRedis,
}

impl Stage {
    /// Sets it up and connects the client.
    pub(super) async fn set(language: &str, over: Over) -> Self {
        let secrets = over.is_encrypted().then(|| Secrets::make(over));
        let runner = Runner::start_trusting(language, secrets.as_ref().map(Secrets::ca));
        let (redis, zinit) = (PrivateRedis::start_append_only().await, PrivateZinit::start().await);
        let socket = zinit.socket().display().to_string();
        let web = ["--grpc-web-origin", "https://page.example"];
        let (service, end) = if let Some(secrets) = &secrets {
            let flags = secrets.flags();
            let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let url = redis.url();
            flags.extend(["--redis-url", &url, "--zinit-socket", &socket]);
            flags.extend(web);
            let service = Service::serve(&flags).await;
            create(&mut client(&service), definition("osis_actor_0", &redis)).await;
            let end = End::ReadyFile(service.ready_file());
            (service, end)
        } else {
            let url = redis.url();
            let mut flags = vec!["--redis-url", url.as_str(), "--zinit", &socket, "--actors", "osis=1"];
            flags.extend(web);
            let service = Service::dev(&flags).await;
            let end = End::Socket(service.socket());
            (service, end)
        };
        let line = Line::to(end, over);
        let (language, played) = (language.to_owned(), 0);
        let mut stage = Self { language, played, runner, line, secrets, service, _zinit: zinit, redis };
        stage.connect().await;
        stage.actors_run().await;
        stage
    }

    /// Connects the client in the way of this stage.
    async fn connect(&mut self) {
        let mut connect = json!({"do": "connect", "address": self.line.address});
        if let Some(secrets) = &self.secrets {
            secrets.complete(&mut connect);
        }
        let connected = self.ask(&connect).await.unwrap();
        assert!(connected["error"].is_null(), "{connected}");
    }

    /// Whether messages of this language remember fields that they do not know; those of prost do not.
    pub(super) fn keeps_unknown_fields(&self) -> bool {
        self.language != "rust"
    }

    /// A unary call through the client.
    pub(super) async fn call(&mut self, method: &str, request: Value) -> Value {
        self.ask(&json!({"do": "call", "method": method, "request": request})).await.unwrap()
    }

    /// A command and its answer.
    pub(super) async fn ask(&mut self, command: &Value) -> Result<Value, String> {
        let id = self.runner.send(command).await;
        self.runner.end(id).await
    }

    /// Plays a scenario; says in which step it went wrong and how.
    pub(super) async fn play(&mut self, scenario: &Scenario) -> Result<(), String> {
        self.played += 1;
        let unique = format!("{}-{}", self.language, self.played);
        let mut values =
            HashMap::from([("unique".to_owned(), unique), ("address".to_owned(), self.line.address.clone())]);
        values.extend(self.secrets.iter().flat_map(Secrets::values));
        let before = self.metrics().await;
        let mut play = Play { stage: self, before, values, named: HashMap::new() };
        for (index, step) in scenario.steps.iter().enumerate() {
            play.step(step).await.map_err(|why| format!("step {}: {why}", index + 1))?;
        }
        let left: Vec<u64> = play.named.into_values().collect();
        for target in left {
            self.ask(&json!({"do": "cancel", "target": target})).await?;
        }
        if scenario.connects() {
            self.connect().await;
        }
        Ok(())
    }

    /// What the server has counted so far; nothing where it has no page for that.
    async fn metrics(&self) -> String {
        match &self.secrets {
            Some(secrets) => scrape(&secrets.metrics()).await,
            None => String::new(),
        }
    }

    /// Does to the server what a scenario calls it.
    async fn server(&mut self, order: &str) {
        match order {
            "kill" => {
                self.service.signal(Signal::SIGKILL);
                self.service.ended().await;
            }
            "drain" => self.service.signal(Signal::SIGTERM),
            "start" => {
                self.service.ended().await;
                self.service.restart().await;
                self.actors_run().await;
            }
            other => panic!("{other} is nothing that can be done to a server"),
        }
    }

    async fn actors_run(&mut self) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let running = self.call("ListActors", json!({"states": ["STATE_RUNNING"]})).await;
            if running["ok"]["totalSize"].as_u64() >= Some(1) {
                return;
            }
            assert!(Instant::now() < deadline, "no actor runs: {running}");
            sleep(LOOK).await;
        }
    }
}

/// A scenario that is being played.
struct Play<'a> {
    stage: &'a mut Stage,
    /// What the server had counted before.
    before: String,
    values: HashMap<String, String>,
    named: HashMap<String, u64>,
}

impl Play<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Do { command, name, expect, save } => {
                let command = self.command(command);
                let id = self.stage.runner.send(&command).await;
                if let Some(name) = name {
                    self.named.insert(name.clone(), id);
                }
                match (name, expect) {
                    (Some(_), None) => Ok(()),
                    (_, expect) => {
                        let answer = self.stage.runner.end(id).await?;
                        self.judge(expect.as_ref().unwrap_or(&json!({"error": {"$absent": true}})), &answer)?;
                        self.save(save, &answer)
                    }
                }
            }
            Step::Wait { wait, expect } => {
                let id = self.named[wait];
                let answer = self.stage.runner.end(id).await?;
                self.named.remove(wait);
                self.judge(expect, &answer)
            }
            Step::Items { items, expect, save } => {
                let last = self.items(items, expect).await?;
                self.save(save, &last)
            }
            Step::Distinct { distinct, of } => {
                let id = self.named[distinct];
                self.stage.runner.until(id, |operation| Some(once(&operation.items, of))).await?
            }
            Step::Exactly { exactly, of, count } => {
                let id = self.named[exactly];
                self.stage.runner.until(id, |operation| all_once(operation, of, *count)).await?
            }
            Step::Flood { flood, caller } => {
                let caller = fill(&json!(caller), &self.values);
                load::flood(&self.stage.service, caller.as_str().unwrap_or_default(), *flood).await;
                Ok(())
            }
            Step::Stall { stall: _ } => {
                // Whatever buffers between it and the server took, the server is stuck from then on. While it was flooded it had
                // other things to do than to fill its own.
                self.stage.line.quiet_for(STALL_LIMIT + STUCK).await;
                Ok(())
            }
            Step::Answered { answered, code, count } => self.answered(answered, code, *count).await,
            Step::Log { log } => {
                assert_eq!(log, "forget", "nothing that can be done to a log");
                load::forget(&self.stage.redis).await;
                Ok(())
            }
            Step::Until { until, expect, save } => self.until(until, expect, save).await,
            Step::Server { server } => {
                self.stage.server(server).await;
                Ok(())
            }
            Step::Line { line } => {
                self.stage.line.order(line).await;
                Ok(())
            }
        }
    }

    /// A call is counted when its answer has gone out, which may be a moment after the client has it.
    async fn answered(&self, method: &str, code: &str, count: u32) -> Result<(), String> {
        let labels = [&format!("method=\"{method}\"")[..], &format!("code=\"{code}\"")];
        let of = |page: &str| value(page, "hero_grpc_requests_total", &labels).unwrap_or_default();
        let deadline = Instant::now() + LIMIT;
        loop {
            let now = of(&self.stage.metrics().await) - of(&self.before);
            match now {
                enough if (enough - f64::from(count)).abs() < 0.5 => return Ok(()),
                fewer if fewer < f64::from(count) && Instant::now() < deadline => sleep(LOOK).await,
                other => return Err(format!("{method} was answered {other} times with {code}, not {count}")),
            }
        }
    }

    /// The command with values in it; a target is named in scenarios and numbered for runners.
    fn command(&self, template: &Value) -> Value {
        let mut command = fill(template, &self.values);
        if let Some(id) = command["target"].as_str().and_then(|name| self.named.get(name)) {
            command["target"] = json!(id);
        }
        command
    }

    fn judge(&self, expected: &Value, answer: &Value) -> Result<(), String> {
        difference(&fill(expected, &self.values), answer)
            .map_or(Ok(()), |different| Err(format!("{different}\n  in {}", super::brief(answer))))
    }

    fn save(&mut self, save: &HashMap<String, String>, answer: &Value) -> Result<(), String> {
        for (name, pointer) in save {
            let value = answer.pointer(pointer).and_then(Value::as_str);
            let value = value.ok_or_else(|| format!("no {pointer} in {answer}"))?;
            self.values.insert(name.clone(), value.to_owned());
        }
        Ok(())
    }

    /// Answers with the last one.
    async fn items(&mut self, name: &str, expect: &[Value]) -> Result<Value, String> {
        let id = self.named[name];
        let expected: Vec<Value> = expect.iter().map(|item| fill(item, &self.values)).collect();
        let seen = |operation: &Operation| {
            let (mut items, mut last) = (operation.items.iter(), Value::Null);
            let missing = expected.iter().find(|wanted| {
                let found = items.find(|item| difference(wanted, item).is_none());
                last = found.cloned().unwrap_or_default();
                found.is_none()
            });
            match (missing, &operation.end) {
                (None, _) => Some(Ok(last)),
                (Some(_), None) => None,
                (Some(missing), Some(end)) => Some(Err(format!("it ended without {missing}: {end}"))),
            }
        };
        self.stage.runner.until(id, seen).await?
    }

    async fn until(
        &mut self,
        command: &Value,
        expect: &Value,
        save: &HashMap<String, String>,
    ) -> Result<(), String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let answer = self.stage.ask(&self.command(command)).await?;
            match self.judge(expect, &answer) {
                Ok(()) => return self.save(save, &answer),
                Err(why) if Instant::now() > deadline => return Err(why),
                Err(_not_yet) => sleep(LOOK).await,
            }
        }
    }
}

/// Nothing has the same value there as another.
fn once(items: &[Value], of: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    match items.iter().filter_map(|item| item.pointer(of)).find(|value| !seen.insert(*value)) {
        Some(twice) => Err(format!("{twice} came twice")),
        None => Ok(()),
    }
}

fn all_once(operation: &Operation, of: &str, count: usize) -> Option<Result<(), String>> {
    let found = || operation.items.iter().filter(|item| item.pointer(of).is_some()).count();
    match &operation.end {
        // Looked at again with each item: what cannot be enough yet is not counted.
        None if operation.items.len() < count || found() < count => None,
        Some(end) if found() < count => Some(Err(format!("it ended after {}: {end}", found()))),
        Some(_) | None => match found() {
            found if found == count => Some(once(&operation.items, of)),
            found => Some(Err(format!("{found} came, and {count} were expected"))),
        },
    }
}
