"""The grammar of addresses, which all clients and the command line share."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import quote

SERVER_VARIABLE = "HERO_SUPERVISOR_SERVER"
"""The environment variable that names the server when no address is given."""
DEFAULT_ADDRESS = "127.0.0.1:50051"
"""The server when neither an address nor the variable is given."""

_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<ip>[0-9A-Fa-f:.]+)]|(?P<name>\w(?:[\w.-]*[\w.])?)):(?P<port>[0-9]{1,5})", re.ASCII
)
_UNIX = re.compile(r"unix:(?://)?(?P<path>/(?!/)[^\0]+)", re.DOTALL)
# The last one is gRPC's own word for HOST:PORT.
_PREFIXES = ("https://", "http://", "dns:///")


@dataclass(frozen=True)
class Address:
    """A way to a server."""

    text: str
    """As it was given."""
    target: str
    """As gRPC takes it."""
    place: str = ""
    """Host and port."""
    tls: bool = False
    """https."""
    bare: bool = False
    """Host and port alone, which do not say whether the connection is encrypted."""
    local: bool = False
    """On this machine."""


def parse_address(text: str | None) -> Address:
    """Reads an address; without one, that of the environment. Everything else is a ValueError."""
    text = text or os.environ.get(SERVER_VARIABLE) or DEFAULT_ADDRESS
    unix = _UNIX.fullmatch(text)
    if unix is not None:
        return Address(text, "unix:" + quote(unix["path"]), local=True)
    prefix = next((prefix for prefix in _PREFIXES if text.startswith(prefix)), "")
    place = text[len(prefix) :].removesuffix("/") if prefix else text
    found = _HOST_AND_PORT.fullmatch(place)
    if found is None or not 1 <= int(found["port"]) <= 65535 or not _is_ipv6(found["ip"]):
        raise ValueError(
            f'"{text}" is not an address: use host:port, http://host:port, https://host:port or unix:/path'
        )
    return Address(
        text,
        "dns:///" + place,
        place,
        tls=prefix == "https://",
        bare=prefix in ("", "dns:///"),
        local=_is_loopback(found["ip"] or found["name"]),
    )


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def _is_ipv6(text: str | None) -> bool:
    """True also of none."""
    try:
        return text is None or ipaddress.IPv6Address(text) is not None
    except ValueError:
        return False
