//! Rhai scripts.
//!
//! A fresh [`rhai::Engine`] for each job costs less than two microseconds, because the standard functions and ours are
//! shared modules; so nothing of one job reaches the next. What the functions need to know of the job that runs
//! (captured output, deadline, environment) is in the one `Session` of the engine.
//!
//! Rhai can panic (that is caught) and can overflow the stack or run out of memory (that ends the host process): never
//! use this engine in a process that has anything to lose.

mod errors;
pub(super) mod functions;
mod input;
pub(super) mod session;
pub(super) mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rhai::packages::{Package, StandardPackage};
use rhai::{AST, Dynamic, Engine as Interpreter, EvalAltResult, Module, OptimizationLevel, Scope, Shared};

use crate::actor::engines::{Engine, Limits, Script, Sink, failed, is_heroscript};
use crate::domain::model::job::{JobError, JobErrorKind, JobKind, JobResult};
use crate::ports::work_queue::AttemptError;
use session::Session;

/// Script of a ping.
const PING: &str = r#""pong""#;
/// Deepest nesting of function calls; with [`MAX_DEPTH`] this stays far below the 64 MB stack of a host.
const MAX_CALLS: usize = 64;
/// Deepest nesting of expressions, at the top and in functions.
const MAX_DEPTH: (usize, usize) = (64, 32);
/// Bytes of one string.
const MAX_STRING: usize = 16 << 20;
/// Items of one array or map, those inside its items included.
const MAX_ITEMS: usize = 100_000;
/// Variables in scope, and functions in a script.
const MAX_NAMES: usize = 4096;
/// The clock is read each time that this many operations have passed; a power of two.
const CHECK_EVERY: u64 = 128;

/// Runs Rhai scripts.
pub struct Rhai {
    limits: Limits,
    standard: Shared<Module>,
    ours: Vec<Shared<Module>>,
    session: Arc<Session>,
}

impl Rhai {
    /// Loads the modules.
    pub fn new(limits: Limits) -> Self {
        let session = Arc::new(Session::new(&limits));
        Self::of(limits, session, None)
    }

    /// Loads the modules, and a further one from `make`.
    pub(super) fn with<T>(limits: Limits, more: impl FnOnce(&Arc<Session>) -> (Module, T)) -> (Self, T) {
        let session = Arc::new(Session::new(&limits));
        let (module, made) = more(&session);
        (Self::of(limits, session, Some(module)), made)
    }

    fn of(limits: Limits, session: Arc<Session>, more: Option<Module>) -> Self {
        let ours = [functions::module(&session)].into_iter().chain(more).map(Shared::from).collect();
        Self { limits, standard: StandardPackage::new().as_shared_module(), ours, session }
    }

    /// Returns the state of the job that runs.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    fn interpreter(&self) -> Interpreter {
        let mut engine = Interpreter::new_raw();
        engine.register_global_module(Shared::clone(&self.standard));
        for ours in &self.ours {
            // Registered later, so it is found first: our `sleep` replaces the one that cannot be stopped.
            engine.register_global_module(Shared::clone(ours));
        }
        engine
            // Rhai panics on some writes to constants when it has folded them.
            .set_optimization_level(OptimizationLevel::None)
            .set_max_operations(self.limits.operations)
            .set_max_call_levels(MAX_CALLS)
            .set_max_expr_depths(MAX_DEPTH.0, MAX_DEPTH.1)
            .set_max_string_size(MAX_STRING)
            .set_max_array_size(MAX_ITEMS)
            .set_max_map_size(MAX_ITEMS)
            .set_max_functions(MAX_NAMES)
            .set_max_variables(MAX_NAMES)
            .set_max_modules(0)
            .disable_symbol("eval");
        let session = Arc::clone(&self.session);
        engine.on_print(move |text| session.print(text));
        let session = Arc::clone(&self.session);
        engine.on_debug(move |text, _, position| session.debug(text, position));
        let session = Arc::clone(&self.session);
        engine.on_progress(move |operations| {
            (operations % CHECK_EVERY == 0 && session.is_over()).then(session::timeout_token)
        });
        self.show_constants(&mut engine);
        engine
    }

    /// Makes the constants visible everywhere, also in functions, and safe from being overwritten or shadowed.
    #[expect(
        deprecated,
        reason = "marked so only because Rhai may change it; nothing else reaches into functions"
    )]
    fn show_constants(&self, engine: &mut Interpreter) {
        let session = Arc::clone(&self.session);
        engine.on_var(move |name, _, _| session.constant(name).map_err(Into::into));
    }

    fn evaluate(&self, text: &str) -> Result<Dynamic, AttemptError> {
        let engine = self.interpreter();
        // An interpreter like `#!/usr/bin/env rhai` becomes a comment, so that line numbers stay.
        let ast: AST = match text.strip_prefix("#!") {
            Some(rest) => engine.compile(format!("//{rest}")),
            None => engine.compile(text),
        }
        .map_err(|error| failed(errors::invalid(&error)))?;
        engine
            .eval_ast_with_scope(&mut Scope::new(), &ast)
            .map_err(|error: Box<EvalAltResult>| self.session.explain(errors::runtime(*error, &self.session)))
    }

    fn end(&self, value: Dynamic) -> Result<JobResult, AttemptError> {
        let result = value::render(value, self.limits.result).map_err(|error| self.session.explain(error))?;
        Ok(result.unwrap_or_else(|| JobResult { text: self.session.printed(), ..JobResult::default() }))
    }
}

impl Engine for Rhai {
    fn probe(&mut self) -> Result<String, String> {
        Ok("rhai 1".to_owned())
    }

    fn run(&mut self, script: &Script<'_>, sink: &Arc<dyn Sink>) -> Result<JobResult, AttemptError> {
        let text = match script.kind {
            JobKind::Ping => PING,
            JobKind::Script => script.text,
        };
        if is_heroscript(text) {
            let message = "the script is HeroScript, which this actor does not run: send Rhai";
            return Err(failed(JobError::new(JobErrorKind::ScriptInvalid, message)));
        }
        self.session.begin(script, sink);
        let ended = catch_unwind(AssertUnwindSafe(|| self.end(self.evaluate(text)?)));
        let ended = ended.unwrap_or_else(|panic| {
            let error = JobError::new(JobErrorKind::EngineCrash, errors::panic_text(panic.as_ref()));
            Err(self.session.explain(error))
        });
        self.session.finish();
        ended
    }
}

#[cfg(test)]
mod tests;
