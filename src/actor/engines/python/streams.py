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


def stream(fd, name):
    raw = io.BufferedWriter(_Pipe(fd, name))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


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
