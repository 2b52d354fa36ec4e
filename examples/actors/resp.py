"""A client for Redis in forty lines, so that the example needs no package. In earnest, take redis-py."""
import os, socket, ssl, urllib.parse


def given(name):
    return os.environ.get("REDIS_" + name)


def encrypted(sock, host):
    context = ssl.create_default_context(cafile=given("TLS_CA"))
    if given("TLS_CERT"):
        context.load_cert_chain(given("TLS_CERT"), given("TLS_KEY"))
    return context.wrap_socket(sock, server_hostname=host)


def login(url):
    """User and password: those of the URL, or else of the variables. The file is read for each connection."""
    user, password = url.username or given("USER"), url.password
    if password is None and given("PASSWORD_FILE"):
        with open(given("PASSWORD_FILE"), encoding="utf-8") as file:
            return user, file.read().rstrip("\r\n")
    return user, password and urllib.parse.unquote(password)


def connect(url):
    """A function that runs one command and gives its answer."""
    url = urllib.parse.urlparse(url)  # unix:///path/of.sock, redis://:password@host:port or rediss://host:port
    host = url.hostname or "127.0.0.1"
    if url.scheme == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(url.path)
    else:
        sock = socket.create_connection((host, url.port or 6379))
    if url.scheme == "rediss":
        sock = encrypted(sock, host)
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

    user, password = login(url)
    if password:
        redis("AUTH", user or "default", password)
    return redis
