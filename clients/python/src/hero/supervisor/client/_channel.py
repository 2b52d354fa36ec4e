"""How channels are made."""

from __future__ import annotations

from hero.supervisor.client._version import VERSION

_KEEPALIVE_MS = 60_000
"""The server answers pings that are no faster than this."""
_KEEPALIVE_TIMEOUT_MS = 20_000
_CONNECT_TIMEOUT_MS = 5_000
_LONGEST_RECONNECT_MS = 2_000
"""A server that was restarted is found again this fast."""

ChannelOptions = list[tuple[str, str | int]]


def channel_options(target: str, wishes: ChannelOptions | None) -> ChannelOptions:
    """How a channel is made; wishes win."""
    defaults: ChannelOptions = [
        ("grpc.primary_user_agent", f"hero-supervisor-python/{VERSION}"),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        # Who only listens sends no data, and is to be heard of nevertheless.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # The name misleads: it is how long an attempt may take at least.
        ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
    ]
    if target.startswith("unix"):
        # gRPC would name the host by the path of the socket, which is no name of a host: the server refuses it.
        defaults.append(("grpc.default_authority", "localhost"))
    return list(dict(defaults + (wishes or [])).items())
