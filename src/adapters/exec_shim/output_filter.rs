//! Output that stays readable for a process manager that reads UTF-8 only.
//!
//! Zinit stops reading the output of a program at the first byte that is not UTF-8. The pipe closes and the program dies of it
//! when it writes on. So programs whose output nobody vouches for get a filter: a process between the program and the pipes
//! of the process manager, which replaces each such sequence of bytes by U+FFFD.
//!
//! ```text
//!  program ──stdout──► filter ──stdout──► process manager
//!          ──stderr──►        ──stderr──►
//! ```
//!
//! The program keeps the pid that the process manager knows, so signals, exit codes and the signal at the death of the parent
//! are as without a filter. The filter is a child of nobody in a session of its own, with an empty environment: a program that
//! waits for all its children does not wait for the filter, a signal to the program's group does not reach the filter, and
//! nothing takes the filter for a process of the actor. It passes on what it reads at once, waits when the process manager does
//! not read, and ends when nobody can write to it any more: with the program, and with whatever that has left with its output.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::process::{Command, Stdio};
use std::thread;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::{close, daemon, dup2_stderr, dup2_stdin, dup2_stdout};

/// The first word of the filter's own command line; the descriptor of the program's standard error follows.
pub(super) const FILTER: &str = "--run-filter";
/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;
/// Most bytes of a character that has not come whole.
const PARTIAL: usize = 3;

/// The output of a program that is about to be executed.
pub(super) struct FilteredOutput {
    pub(super) stdout: PipeWriter,
    pub(super) stderr: PipeWriter,
}

/// Starts a filter in front of this process' own standard output and error.
pub(super) fn start() -> io::Result<FilteredOutput> {
    let (out, stdout) = io::pipe()?;
    let (err, stderr) = io::pipe()?;
    let launched = launch(out, &err)?;
    if !launched {
        return Err(io::Error::other("the filter ended at once"));
    }
    Ok(FilteredOutput { stdout, stderr })
}

/// Starts the filter and waits until it has left its parent; true if it has.
fn launch(out: PipeReader, err: &PipeReader) -> io::Result<bool> {
    // The filter inherits this descriptor under its number; the program does not, as it is closed before.
    fcntl(err, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut filter = Command::new("/proc/self/exe");
    filter.args(["exec-shim", FILTER, &err.as_raw_fd().to_string()]);
    filter.env_clear().current_dir("/").stdin(out).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    Ok(filter.spawn()?.wait()?.success())
}

/// Is the filter: passes on standard input to standard output, and the stream of this descriptor to standard error, until both
/// have ended.
pub(super) fn run(err: RawFd) -> io::Result<()> {
    let second = File::open(format!("/proc/self/fd/{err}"))?;
    close(err)?;
    let (first, stdout, stderr) = take_standard_streams()?;
    // This process ends here, so that who waits for it goes on; its child goes on and is soon a child of nobody.
    daemon(true, true)?;
    let errors = thread::Builder::new().stack_size(CHUNK * 8).spawn(move || pass_on(second, stderr))?;
    pass_on(first, stdout);
    drop(errors.join());
    Ok(())
}

/// Takes the three standard streams from their usual numbers, so that each closes when its end of the filter is done with it.
fn take_standard_streams() -> io::Result<(File, File, File)> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    Ok((input, stdout, stderr))
}

/// Passes on a stream until its end, or until nobody reads any more: then its writer learns that as without a filter.
fn pass_on(mut from: impl Read, mut to: impl Write) {
    let mut buffer = vec![0; CHUNK];
    let mut kept = 0;
    loop {
        let read = match from.read(&mut buffer[kept..]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_broken) => break,
        };
        let filled = kept + read;
        let whole = filled - partial_character(&buffer[..filled]);
        if write_text(&buffer[..whole], &mut to).is_err() {
            return;
        }
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
    drop(write_text(&buffer[..kept], &mut to));
}

/// Writes bytes with all that is not UTF-8 replaced.
fn write_text(bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
    if str::from_utf8(bytes).is_ok() {
        return to.write_all(bytes);
    }
    // One write, so that a line is not torn more than it was.
    to.write_all(String::from_utf8_lossy(bytes).as_bytes())
}

/// The number of bytes at the end that may be the begin of a character.
fn partial_character(bytes: &[u8]) -> usize {
    let is_partial = |length: &usize| {
        let tail = bytes.get(bytes.len() - length..).unwrap_or_default();
        str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=PARTIAL.min(bytes.len())).find(is_partial).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the filtered output of a stream that is read in these pieces.
    fn passed(pieces: &[&[u8]]) -> Vec<u8> {
        struct Pieces<'a>(std::collections::VecDeque<&'a [u8]>);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let Some(piece) = self.0.pop_front() else { return Ok(0) };
                let length = piece.len().min(buffer.len());
                buffer[..length].copy_from_slice(&piece[..length]);
                if length < piece.len() {
                    self.0.push_front(&piece[length..]);
                }
                Ok(length)
            }
        }
        let mut out = Vec::new();
        // An empty read would be the end of the stream.
        let pieces = pieces.iter().copied().filter(|piece| !piece.is_empty()).collect();
        pass_on(Pieces(pieces), &mut out);
        out
    }

    #[test]
    fn what_is_no_utf8_is_replaced_and_all_else_stays() {
        for (bytes, text) in [
            (&b"caf\xe9\nnext\n"[..], "caf\u{fffd}\nnext\n"),
            ("gr\u{fc}n \u{1f600}\0\x1b[2J\r\n".as_bytes(), "gr\u{fc}n \u{1f600}\0\x1b[2J\r\n"),
            (b"\xff\xfe\xfd", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"end \xe2\x82", "end \u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(str::from_utf8(&passed(&[bytes])).unwrap(), text);
        }
    }

    #[test]
    fn nothing_but_an_unfinished_character_is_held_back() {
        for (bytes, held) in [
            (&b""[..], 0),
            (b"line\n", 0),
            (b"caf\xe9", 1),
            (b"\xe2\x82", 2),
            (b"\xf0\x9f\x98", 3),
            ("\u{1f600}".as_bytes(), 0),
            (b"\xff", 0),
            (b"\x80\x80\x80", 0),
        ] {
            assert_eq!(partial_character(bytes), held, "{bytes:?}");
        }
    }

    #[test]
    fn a_stream_that_nobody_reads_is_given_up() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        pass_on(io::repeat(b'x'), Broken);
    }

    proptest! {
        #[test]
        fn the_pieces_in_which_a_stream_comes_change_nothing(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac)], 0..200),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
            let whole = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
            prop_assert_eq!(passed(&pieces), whole);
        }
    }
}
