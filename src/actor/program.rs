//! The command line that all actors share.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, Args, Command, CommandFactory, FromArgMatches, Parser};

use crate::actor::engines::Limits;
use crate::actor::redis_flags::RedisFlags;
use crate::actor::worker::WorkerConfig;
use crate::domain::model::id::ActorId;
use crate::domain::model::queue_name::QueueName;
use crate::domain::model::script_type::ScriptType;

/// Properties that distinguish one actor program from the others.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Name of the binary.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// Script type of the actor, and so its queue, if it is given no other one.
    pub script_type: ScriptType,
    /// Jobs at a time.
    pub concurrency: Concurrency,
}

/// Number of jobs that an actor runs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// Strictly one after another, in the order of submission.
    One,
    /// This number by default, and the number that the user gives.
    Several(usize),
}

/// Command-line flags of one kind of engine.
pub trait EngineFlags: Args + std::fmt::Debug + Send + 'static {
    /// The same for the command line of an engine host, which has no environment: whatever is looked up in one (a
    /// program in `PATH`, for instance) is looked up here.
    fn host_args(&self) -> Vec<OsString>;

    /// Returns names and values of the environment of an engine host, which lists of processes must not show.
    fn host_env(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Readies an engine host, before it has more than one thread.
    ///
    /// # Errors
    /// Without it the host does not start.
    fn prepare_host(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the folder in which an engine host makes one of its own; that is removed after the end of the host.
    fn work_dir(&self) -> Option<PathBuf> {
        None
    }
}

/// An engine that wants to know nothing.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct NoFlags {}

impl EngineFlags for NoFlags {
    fn host_args(&self) -> Vec<OsString> {
        Vec::new()
    }
}

/// Arguments of an actor with an engine that has flags `F`.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
pub struct ActorArgs<F: EngineFlags = NoFlags> {
    /// The Redis that holds the jobs.
    #[command(flatten)]
    pub redis: RedisFlags,

    /// Name of this actor; unique among all actors on one Redis.
    #[arg(long, env = "HERO_ACTOR_ID", value_parser = ActorId::parse, required_unless_present_any = ["health_check", "man_page"], value_name = "ID")]
    pub actor_id: Option<ActorId>,

    /// Queue from which the actor takes jobs; it must exist and take jobs of the script type of this program [default: the
    /// default queue of the script type].
    #[arg(long, env = "HERO_QUEUE", value_parser = QueueName::parse, value_name = "NAME")]
    pub queue: Option<QueueName>,

    /// Runs a trivial script through the engine, asks Redis if --redis-url or REDIS_URL is given, and exits with 0 or 1.
    #[arg(long)]
    pub health_check: bool,

    /// Longest silence of this actor before its jobs are given to others; the same for every actor on one Redis.
    #[arg(long, env = "HERO_LEASE", default_value = "15s", value_parser = parse_lease, value_name = "TIME")]
    pub lease: Duration,

    /// OpenTelemetry collector that gets a span for each job that came with a trace, http://HOST:4317.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Jobs that run at a time.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub concurrency: Option<u16>,

    /// Limits of one script.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Flags of the engine.
    #[command(flatten)]
    pub engine: F,

    /// Runs as the engine host of an actor.
    #[arg(long, hide = true)]
    pub host: bool,

    /// Prints the manual page.
    #[arg(long, hide = true)]
    pub man_page: bool,
}

/// Limits of one script.
#[derive(Debug, Clone, Copy, Args)]
pub struct LimitArgs {
    /// Steps of the interpreter that one script may take; 0 for as many as fit into its timeout.
    #[arg(long, default_value_t = Limits::default().operations, value_name = "N")]
    pub max_operations: u64,

    /// Memory that one script may use.
    #[arg(long, default_value = "512MiB", value_parser = parse_memory, value_name = "BYTES")]
    pub max_memory: u64,

    /// Printed text that is kept, per stream; of more, the middle is left out.
    #[arg(long, default_value = "1MiB", value_parser = parse_bytes, value_name = "BYTES")]
    pub max_output: u64,

    /// Size of a result; a script with a larger one fails.
    #[arg(long, default_value = "1MiB", value_parser = parse_result_size, value_name = "BYTES")]
    pub max_result: u64,
}

/// The parsed command line.
#[derive(Debug)]
pub struct ParsedArgs<F: EngineFlags = NoFlags> {
    /// The arguments.
    pub args: ActorArgs<F>,
    /// Redis was named, and is not only the default.
    pub redis_named: bool,
}

impl Program {
    /// Reads a command line.
    ///
    /// # Errors
    /// What is wrong with it, or the text of `--help` or `--version`; all of them know how to print themselves and exit.
    pub fn parse<F: EngineFlags>(
        &self,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<ParsedArgs<F>, clap::Error> {
        let mut command = self.command::<F>().mut_args(without_empty_variable);
        let matches = command.try_get_matches_from_mut(args)?;
        let redis_named = matches.value_source("redis_url") != Some(ValueSource::DefaultValue);
        let args = ActorArgs::from_arg_matches(&matches)?;
        if self.concurrency == Concurrency::One && args.concurrency.is_some_and(|asked| asked != 1) {
            let message = format!(
                "{} runs jobs strictly one after another: --concurrency can only be 1; start more actors instead",
                self.name
            );
            return Err(command.error(clap::error::ErrorKind::ValueValidation, message));
        }
        Ok(ParsedArgs { args, redis_named })
    }

    /// Renders the manual page, in the form of `man`.
    ///
    /// # Errors
    /// None: it is written to memory.
    pub fn man_page<F: EngineFlags>(&self) -> io::Result<Vec<u8>> {
        let mut page = Vec::new();
        clap_mangen::Man::new(self.command::<F>()).render(&mut page)?;
        Ok(page)
    }

    fn command<F: EngineFlags>(&self) -> Command {
        ActorArgs::<F>::command().name(self.name).bin_name(self.name).about(self.about)
    }

    /// Returns the settings of the queue loop.
    pub fn worker<F: EngineFlags>(&self, args: &ActorArgs<F>) -> WorkerConfig {
        match self.concurrency {
            Concurrency::One => WorkerConfig::one_after_another(),
            Concurrency::Several(default) => {
                WorkerConfig::side_by_side(args.concurrency.map_or(default, usize::from))
            }
        }
    }
}

impl<F: EngineFlags> ActorArgs<F> {
    /// Returns the limits of scripts.
    pub fn limits(&self) -> Limits {
        let LimitArgs { max_operations, max_memory, max_output, max_result } = self.limits;
        let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        Limits {
            operations: max_operations,
            memory: max_memory,
            output: bytes(max_output),
            result: bytes(max_result),
        }
    }

    /// The arguments of an engine host of this actor.
    pub fn host_args(&self) -> Vec<OsString> {
        let name = self.actor_id.as_ref().map_or("health_check", |id| id.as_str());
        let LimitArgs { max_operations, max_memory, max_output, max_result } = self.limits;
        let args = [
            "--host".to_owned(),
            format!("--actor-id={name}"),
            format!("--max-operations={max_operations}"),
            format!("--max-memory={max_memory}"),
            format!("--max-output={max_output}"),
            format!("--max-result={max_result}"),
        ];
        args.into_iter().map(OsString::from).chain(self.engine.host_args()).collect()
    }
}

/// A variable that is set to nothing, as files of variables do it, is one that is not set.
fn without_empty_variable(arg: Arg) -> Arg {
    let value = arg.get_env().and_then(std::env::var_os);
    if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
}

fn parse_lease(raw: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(raw).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(100)..=Duration::from_secs(3600);
    if allowed.contains(&lease) { Ok(lease) } else { Err("use 100ms to 1h".to_owned()) }
}

/// A number of bytes, perhaps with K, M or G, alone or with B or iB behind it; all count by 1024.
pub(crate) fn parse_bytes(raw: &str) -> Result<u64, String> {
    let wrong = || format!("{raw:?} is not a size: use a number of bytes, or one like 64KiB, 512MiB or 2GiB");
    let digits = raw.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match raw.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(wrong)
}

/// Parses the limit of memory. With less, the engine itself has too little.
fn parse_memory(raw: &str) -> Result<u64, String> {
    const LEAST: u64 = 16 << 20;
    parse_bytes(raw)
        .and_then(|bytes| if bytes < LEAST { Err("use at least 16MiB".to_owned()) } else { Ok(bytes) })
}

/// The queue stores no larger result than this.
fn parse_result_size(raw: &str) -> Result<u64, String> {
    let most = crate::domain::model::job::MAX_RESULT_BYTES as u64;
    parse_bytes(raw).and_then(|bytes| match bytes <= most {
        true => Ok(bytes),
        false => Err(format!("at most {most} bytes are stored")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OSIS: Program = Program {
        name: "osis_actor",
        about: "test",
        script_type: ScriptType::OSIS,
        concurrency: Concurrency::One,
    };

    fn parse(line: &str) -> Result<ParsedArgs, clap::Error> {
        OSIS.parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn sizes_have_units() {
        for (raw, bytes) in [("1", 1), ("64KiB", 65536), ("2m", 2 << 20), ("1GB", 1 << 30), ("3 kb", 3072)] {
            assert_eq!(parse_bytes(raw), Ok(bytes), "{raw}");
        }
        for raw in ["", "0", "x", "1T", "-1", "1.5G", "99999999999999999999", "99999999999G"] {
            assert!(parse_bytes(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn wrong_flags_are_refused_with_exit_code_2() {
        for line in [
            "osis_actor",
            "osis_actor --actor-id A",
            "osis_actor --actor-id a --concurrency 2",
            "osis_actor --actor-id a --lease 1ms",
            "osis_actor --actor-id a --max-result 2MiB",
            "osis_actor --actor-id a --what",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
        let refused = parse("osis_actor --actor-id a --concurrency 2").unwrap_err().to_string();
        assert!(refused.contains("one after another"), "{refused}");
    }

    #[test]
    fn a_host_gets_the_limits_of_its_actor() {
        let asked = parse("osis_actor --actor-id a --max-memory 64MiB --redis-url redis://secret").unwrap();
        assert!(asked.redis_named);
        let mut line = vec![OsString::from("osis_actor")];
        line.extend(asked.args.host_args());
        let host: ParsedArgs = OSIS.parse(line).unwrap();
        assert!(host.args.host);
        assert_eq!(host.args.limits(), asked.args.limits());
        assert!(!asked.args.host_args().iter().any(|arg| arg.to_string_lossy().contains("secret")));
        assert!(parse("osis_actor --health-check").unwrap().args.actor_id.is_none());
    }
}
