//! The words by which Zinit starts a process, the exec shim among them where something of it is asked for.

use std::path::Path;
use std::time::Duration;

use crate::adapters::exec_shim;
use crate::domain::model::confinement::Confinement;
use crate::domain::model::script_type::ScriptType;
use crate::ports::process_manager::ProcessSpec;

/// Words that lead to the exec shim; none where there is no such program.
#[derive(Debug, Clone, Default)]
pub(super) struct Shim(pub(super) Vec<String>);

impl Shim {
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
        let own = self.0.first().map(Path::new);
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
        if self.0.is_empty() && !(confinement.is_none() && spec.env_from_file.is_empty()) {
            let fault = "needs `hero-supervisor exec-shim` for its user, limits or variables from files, and that program \
                         was not found";
            return Err(fault.to_owned());
        }
        // The digest was looked at before the start; without the shim nobody does so again, nor filters the output.
        if self.0.is_empty() || asked.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.0.iter().cloned().chain(asked).chain(["--".to_owned()]).collect())
    }
}

/// A check, a line for a shell, that is ended when it takes longer than this.
pub(super) fn within(limit: Duration, check: &str) -> Vec<String> {
    let seconds = limit.as_secs_f64().ceil().max(1.0).to_string();
    ["timeout", "-k", "1", &seconds, "/bin/sh", "-c", check].map(str::to_owned).to_vec()
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
