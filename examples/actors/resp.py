"""A client for Redis in twenty lines, so that the example needs no package. In earnest, take redis-py."""
import socket, urllib.parse


def connect(url):
    """A function that runs one command and gives its answer."""
    url = urllib.parse.urlparse(url)  # unix:///path/of.sock or redis://:password@host:port
    sock = socket.socket(socket.AF_UNIX if url.scheme == "unix" else socket.AF_INET)
    sock.connect(url.path if url.scheme == "unix" else (url.hostname or "127.0.0.1", url.port or 6379))
    answers = sock.makefile("rb")

    def read():
        line = answers.readline()[:-2]
        kind, rest = line[:1], line[1:].decode()
        if kind == b"$":
            return None if rest == "-1" else answers.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return None if rest == "-1" else [read() for _ in range(int(rest))]
        if kind in (b":", b"+"):
            return int(rest) if kind == b":" else rest
        raise OSError(rest or "Redis has closed the connection")

    def redis(*words):
        words = [str(word).encode() for word in words]
        sock.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return read()

    if url.password:
        redis("AUTH", url.username or "default", url.password)
    return redis
