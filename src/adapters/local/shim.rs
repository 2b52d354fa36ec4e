//! The hidden subcommand that prepares itself and then becomes the actor's program.
//!
//! It is a process of its own because what it sets (the signal to get when the parent dies) can only be set between
//! fork and exec, where safe Rust runs nothing.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// What the words before the program ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    /// Die with the parent.
    pdeathsig: bool,
    /// Who the parent has to be; if it is somebody else, it died already.
    parent: Option<i32>,
    /// The program and its arguments.
    program: OsString,
    args: Vec<OsString>,
}

/// Reads `[--pdeathsig] [--parent PID] -- PROGRAM ARGS…` (without the subcommand's own name), prepares this process and
/// becomes PROGRAM, keeping its pid. Returns only when that fails; exit with 127 then.
///
/// The signal comes when the thread that spawned the process ends, so only a thread that lives as long as the
/// supervisor may use the shim.
pub fn exec_shim(args: impl IntoIterator<Item = OsString>) -> io::Error {
    match parse(args).and_then(prepare) {
        Ok(request) => Command::new(request.program).args(request.args).exec(),
        Err(error) => error,
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> io::Result<Request> {
    let mut request = Request::default();
    let mut args = args.into_iter();
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    loop {
        let Some(word) = args.next() else { return Err(wrong("no program: put it after --".to_owned())) };
        match word.to_str() {
            Some("--") => break,
            Some("--pdeathsig") => request.pdeathsig = true,
            Some("--parent") => {
                let pid = args.next().and_then(|pid| pid.to_str()?.parse().ok());
                request.parent = Some(pid.ok_or_else(|| wrong("--parent needs a pid".to_owned()))?);
            }
            Some(_) | None => {
                return Err(wrong(format!("unknown word {word:?}: use --pdeathsig, --parent PID and --")));
            }
        }
    }
    request.program = args.next().ok_or_else(|| wrong("no program after --".to_owned()))?;
    request.args = args.collect();
    Ok(request)
}

fn prepare(request: Request) -> io::Result<Request> {
    if request.pdeathsig {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // A parent that died before the line above sends nothing any more.
        if let Some(parent) = request.parent
            && getppid().as_raw() != parent
        {
            return Err(io::Error::other(format!("the parent {parent} is gone")));
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Request, String> {
        parse(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn words_before_the_dashes_are_ours_and_all_after_them_the_programs() {
        let request =
            parsed(&["--pdeathsig", "--parent", "7", "--", "/bin/a", "--pdeathsig", "--", ""]).unwrap();
        assert_eq!((request.pdeathsig, request.parent), (true, Some(7)));
        assert_eq!((request.program, request.args.len()), (OsString::from("/bin/a"), 3));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, fault) in [
            (&["--"][..], "no program after --"),
            (&[], "no program: put it after --"),
            (&["--parent", "x", "--", "a"], "--parent needs a pid"),
            (&["sleep"], "unknown word \"sleep\": use --pdeathsig, --parent PID and --"),
        ] {
            assert_eq!(parsed(words).unwrap_err(), fault);
        }
    }

    #[test]
    fn a_dead_parent_is_noticed() {
        let request = Request { pdeathsig: true, parent: Some(i32::MAX), ..Request::default() };
        assert_eq!(prepare(request).unwrap_err().to_string(), format!("the parent {} is gone", i32::MAX));
    }
}
