//! Functions that scripts can call besides Rhai's standard functions.

use std::sync::Arc;
use std::time::Duration;

use rhai::{Dynamic, EvalAltResult, FLOAT, FuncRegistration, INT, ImmutableString, Module, Position};

use super::session::{Session, timeout_token};

/// The functions, tied to the session of their engine.
pub(super) fn module(session: &Arc<Session>) -> Module {
    let mut module = Module::new();
    printing(&mut module, session);
    progress(&mut module, session);
    environment(&mut module, session);
    sleeping(&mut module, session);
    module.build_index();
    module
}

/// `println!("...")` is how people who know Rust write it, and `name!(...)` calls the function `name` in Rhai.
fn printing(module: &mut Module, session: &Arc<Session>) {
    let session_of = || Arc::clone(session);
    let session = session_of();
    global("println").set_into_module(module, move || session.print(""));
    let session = session_of();
    global("println").set_into_module(module, move |value: Dynamic| session.print(&value.to_string()));
    let session = session_of();
    global("eprintln").set_into_module(module, move || session.print_error(""));
    let session = session_of();
    global("eprintln").set_into_module(module, move |value: Dynamic| session.print_error(&value.to_string()));
}

/// `progress(40, "copying")`, `progress(40)`, `progress("copying")`.
fn progress(module: &mut Module, session: &Arc<Session>) {
    let here = Arc::clone(session);
    global("progress").set_into_module(module, move |percent: INT, message: ImmutableString| {
        here.progress(Some(percent as FLOAT), &message);
    });
    let here = Arc::clone(session);
    global("progress").set_into_module(module, move |percent: FLOAT, message: ImmutableString| {
        here.progress(Some(percent), &message);
    });
    let here = Arc::clone(session);
    global("progress").set_into_module(module, move |percent: INT| here.progress(Some(percent as FLOAT), ""));
    let here = Arc::clone(session);
    global("progress").set_into_module(module, move |percent: FLOAT| here.progress(Some(percent), ""));
    let here = Arc::clone(session);
    global("progress").set_into_module(module, move |message: ImmutableString| here.progress(None, &message));
}

fn environment(module: &mut Module, session: &Arc<Session>) {
    let here = Arc::clone(session);
    global("env").set_into_module(module, move |name: ImmutableString| {
        here.env(&name).map_or(Dynamic::UNIT, Dynamic::from)
    });
    let here = Arc::clone(session);
    global("env").set_into_module(module, move |name: ImmutableString, default: Dynamic| {
        here.env(&name).map_or(default, Dynamic::from)
    });
}

/// The standard ones sleep through every deadline.
fn sleeping(module: &mut Module, session: &Arc<Session>) {
    let here = Arc::clone(session);
    global("sleep").set_into_module(module, move |seconds: INT| {
        sleep(&here, Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    });
    let here = Arc::clone(session);
    global("sleep").set_into_module(module, move |seconds: FLOAT| {
        let forever = if seconds > 0.0 { Duration::MAX } else { Duration::ZERO };
        sleep(&here, Duration::try_from_secs_f64(seconds).unwrap_or(forever))
    });
}

#[expect(clippy::disallowed_methods, reason = "a script's own thread may block; there is no runtime here")]
fn sleep(session: &Session, wanted: Duration) -> Result<(), Box<EvalAltResult>> {
    let left = session.left();
    std::thread::sleep(wanted.min(left));
    if wanted < left {
        return Ok(());
    }
    Err(EvalAltResult::ErrorTerminated(timeout_token(), Position::NONE).into())
}

pub(in crate::actor::engines) fn global(name: &str) -> FuncRegistration {
    FuncRegistration::new(name).in_global_namespace()
}
