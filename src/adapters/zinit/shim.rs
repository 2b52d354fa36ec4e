//! The words by which Zinit starts a process, the exec shim among them where something of it is asked for.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::adapters::exec_shim;
use crate::domain::model::confinement::Confinement;
use crate::domain::model::script_type::ScriptType;
use crate::ports::process_manager::{FailedCheck, ProcessSpec};

/// The way to the exec shim.
#[derive(Debug, Clone, Default)]
pub(super) struct Shim {
    /// Words that lead to it; none where there is no such program.
    words: Vec<String>,
    /// Zinit's socket, beside which it is noted how health checks failed.
    socket: Option<PathBuf>,
}

impl Shim {
    /// Makes the way to the shim of a program, for the Zinit at this socket.
    pub(super) fn new(program: Option<&Path>, socket: &Path) -> Self {
        let program = program.and_then(Path::to_str);
        let words = program.into_iter().flat_map(|program| [program, "exec-shim"]).map(str::to_owned);
        // Zinit has another folder.
        Self { words: words.collect(), socket: std::path::absolute(socket).ok() }
    }

    /// A check, a line for a shell, that is ended when it takes longer than `limit`. How it failed is noted where there is the
    /// shim; its process is killed after `tries` failures.
    pub(super) fn limited_check(&self, name: &str, tries: u32, limit: Duration, check: &str) -> Vec<String> {
        let seconds = limit.as_secs_f64().ceil().max(1.0);
        match self.note(name).as_deref().and_then(Path::to_str) {
            Some(note) => {
                let asked = exec_shim::check_words(note, tries, seconds as u64, check);
                self.words.iter().cloned().chain(asked).collect()
            }
            None => {
                let words = ["timeout", "-k", "1", &seconds.to_string(), "/bin/sh", "-c", check];
                words.map(str::to_owned).to_vec()
            }
        }
    }

    /// The file that says how the health check of a process failed last.
    pub(super) fn note(&self, name: &str) -> Option<PathBuf> {
        let socket = self.socket.as_ref().filter(|_socket| !self.words.is_empty())?;
        Some(socket.with_added_extension(format!("check-{name}")))
    }

    /// Returns the last failure of the health check of a process, as far as it was noted.
    pub(super) fn failed_check(&self, name: &str) -> Option<FailedCheck> {
        let owner = std::fs::metadata(self.socket.as_ref()?).ok().map(|socket| socket.uid());
        exec_shim::failed_check(&self.note(name)?, owner)
    }

    /// Forgets how it failed.
    pub(super) async fn forget_check(&self, name: &str) {
        if let Some(note) = self.note(name) {
            // There is none in most cases.
            drop(tokio::fs::remove_file(note).await);
        }
    }

    /// Program and arguments. One of our own actor programs of which nothing special is asked is started as it stands. The output
    /// of any other program is filtered, since Zinit would end it at the first byte that is not UTF-8.
    ///
    /// # Errors
    /// A fragment that says what is wrong with the process.
    pub(super) fn argv(&self, spec: &ProcessSpec) -> Result<Vec<String>, String> {
        let mut asked = exec_shim::words(&spec.confinement, spec.sha256.as_deref());
        if !self.writes_utf8(&spec.program) {
            asked.push(exec_shim::UTF8_OUTPUT.to_owned());
        }
        asked.extend(exec_shim::env_words(&spec.env_from_file));
        let mut argv = self.before(spec, &spec.confinement, asked)?;
        argv.push(text(&spec.program)?.to_owned());
        argv.extend(spec.args.iter().cloned());
        Ok(argv)
    }

    /// The health check as one line for a shell, run as whom the process runs.
    ///
    /// # Errors
    /// A fragment that says what is wrong with the process.
    pub(super) fn health_check(&self, spec: &ProcessSpec) -> Result<Option<String>, String> {
        let Some(check) = &spec.health_check else { return Ok(None) };
        let helper = spec.confinement.of_helpers();
        let mut asked = exec_shim::words(&helper, None);
        asked.extend(exec_shim::env_words(&spec.env_from_file));
        let mut argv = self.before(spec, &helper, asked)?;
        if argv.is_empty() {
            return Ok(Some(check.clone()));
        }
        argv.extend(["/bin/sh", "-c", check].map(str::to_owned));
        quoted(&argv).map(Some)
    }

    /// Returns true if a program is known to write UTF-8 only: the actor programs beside the shim do.
    fn writes_utf8(&self, program: &Path) -> bool {
        let own = self.words.first().map(Path::new);
        let is_actor = |script_type: ScriptType| {
            own.is_some_and(|own| own.with_file_name(format!("{script_type}_actor")) == program)
        };
        ScriptType::ALL.into_iter().any(is_actor)
    }

    /// The words before the program that make the shim do what is asked.
    fn before(
        &self,
        spec: &ProcessSpec,
        confinement: &Confinement,
        asked: Vec<String>,
    ) -> Result<Vec<String>, String> {
        if self.words.is_empty() && !(confinement.is_none() && spec.env_from_file.is_empty()) {
            let fault = "needs `hero-supervisor exec-shim` for its user, limits or variables from files, and that program \
                         was not found";
            return Err(fault.to_owned());
        }
        // The digest was looked at before the start; without the shim nobody does so again, nor filters the output.
        if self.words.is_empty() || asked.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.words.iter().cloned().chain(asked).chain(["--".to_owned()]).collect())
    }
}

/// Words as one line that a shell, and GEN2's own splitter, takes apart again as they were.
pub(super) fn quoted(words: &[String]) -> Result<String, String> {
    shlex::try_join(words.iter().map(String::as_str))
        .map_err(|error| format!("has an argument with a NUL character: {error}"))
}

/// A path that can be written into a text.
pub(super) fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("has a path that is not UTF-8: {}", path.display()))
}
