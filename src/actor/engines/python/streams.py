# What a job writes: its two output pipes as streams, and messages about itself into the pipe of its result.
import fcntl
import io
import json
import math
import os
import select
import struct
import sys
import termios
import time

RESULTS = int(sys.argv[1])
# Bytes of a progress; as one write into its pipe it cannot be mixed with those of other processes of the job.
MAX_PROGRESS = 1024

_last = None
_streams = None


def _turn(fd):
    """Keeps the order between pipes: before one is written to, the one that was written to last is read empty."""
    global _last
    if fd == _last:
        return
    if _last is not None:
        until = time.monotonic() + 0.1
        while _pending(_last) and time.monotonic() < until:
            time.sleep(0.00002)
    _last = fd


def _pending(fd):
    try:
        return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
    except OSError:
        return 0


class _Pipe(io.RawIOBase):
    """One of the two output pipes, as the lowest layer of a stream."""

    def __init__(self, fd, name):
        self._fd = fd
        self.name = name

    def fileno(self):
        return self._fd

    def writable(self):
        return True

    def write(self, data):
        _turn(self._fd)
        return _put(self._fd, data)


def _stream(fd, name):
    raw = io.BufferedWriter(_Pipe(fd, name))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def renew():
    """Sets the two output streams, made anew if they were closed, detached or set up otherwise."""
    global _streams
    if _streams is None or not all(map(_is_as_new, _streams)):
        _streams = _stream(1, "<stdout>"), _stream(2, "<stderr>")
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__ = _streams


def _is_as_new(stream):
    try:
        settings = stream.encoding, stream.errors, stream.line_buffering, stream.write_through, stream.buffer.closed
        return settings == ("utf-8", "backslashreplace", True, False, False)
    except (AttributeError, ValueError):
        return False


def flush():
    """Writes out what both streams hold."""
    cleanup.flush(sys.stdout)
    cleanup.flush(sys.stderr)


def _put(fd, data):
    """Writes some of it, also where somebody has made the pipe one that does not wait."""
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            select.select([], [fd], [], 1.0)


def write(fd, data):
    data = memoryview(data)
    while data:
        data = data[_put(fd, data) :]


def send(kind, payload):
    """One message to the host: its kind, its length, itself."""
    _turn(RESULTS)
    write(RESULTS, struct.pack("<cI", kind, len(payload)) + payload)


def progress(percent=None, message=""):
    """Tells whoever watches the job how far it is: 0 to 100, or None, and one line of text."""
    if percent is not None:
        percent = float(percent)
        if not math.isfinite(percent):
            raise ValueError("progress() takes 0 to 100, or None")
        percent = min(100.0, max(0.0, percent))
    cleanup.flush(sys.stdout)
    text = report.plain(str(message)[:MAX_PROGRESS]).encode()[:MAX_PROGRESS].decode("utf-8", "ignore")
    send(b"P", json.dumps({"percent": percent, "message": text}, ensure_ascii=False).encode())


def fail(explained):
    send(b"E", json.dumps(explained).encode())


# Flags of an open pipe are shared by all who have it, and stay when those have gone.
_SHARED = (0, 1, 2, RESULTS)


def as_shared():
    """What jobs find the descriptors like that all of them share."""
    sizes = {fd: fcntl.fcntl(fd, kernel.F_GETPIPE_SZ) for fd in _SHARED if fd}
    return {fd: fcntl.fcntl(fd, fcntl.F_GETFL) for fd in _SHARED}, sizes, os.fstat(1).st_mode & 0o777


def restore(pipes):
    """Makes them so again; false when a pipe is too full to become smaller, which it is not for long."""
    flags, sizes, mode = pipes
    whole = True
    for fd, value in flags.items():
        fcntl.fcntl(fd, fcntl.F_SETFL, value)
    for fd, size in sizes.items():
        try:
            if fcntl.fcntl(fd, kernel.F_GETPIPE_SZ) != size:
                fcntl.fcntl(fd, kernel.F_SETPIPE_SZ, size)
            if os.fstat(fd).st_mode & 0o777 != mode:
                os.fchmod(fd, mode)
        except OSError:
            whole = False
    return whole
