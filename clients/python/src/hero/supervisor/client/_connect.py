"""Prepares clients: the way to a server, and what is shown to it."""

from __future__ import annotations

import grpc
import grpc.aio

from hero.supervisor.client._access import Access, PathLike
from hero.supervisor.client._address import parse_address
from hero.supervisor.client._aio import AsyncClient
from hero.supervisor.client._channel import ChannelOptions, channel_options
from hero.supervisor.client._reads import RepeatReads, RepeatReadsAsync
from hero.supervisor.client._sync import Client
from hero.supervisor.client._token import ShowToken, ShowTokenAsync, ShowTokenToStreamAsync


def connect(
    target: str | None = None,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    cacert: PathLike | None = None,
    client_cert: PathLike | None = None,
    client_key: PathLike | None = None,
    token: str | None = None,
    token_file: PathLike | None = None,
    options: ChannelOptions | None = None,
    fail_fast: bool = False,
) -> Client:
    """Prepares a client; the connection is made with the first call, and made again whenever it is lost.

    `target` is "host:port", "http://host:port", "https://host:port" or "unix:/path"; without it, what the environment
    variable HERO_SUPERVISOR_SERVER holds, and without that 127.0.0.1:50051. Everything else is a ValueError. `options`
    of the channel win over the defaults of this package.

    `cacert`, `client_cert`, `client_key` and `token_file` are paths of files, in PEM but for the last one. Without them
    the environment says it: HERO_SUPERVISOR_CACERT and so on; HERO_SUPERVISOR_TOKEN is the `token`. The connection is
    encrypted with https, and with "host:port" when `cacert` or `client_cert` is given, or a token for another machine.
    A token is never sent in the clear to another machine: that is a ValueError. One in a file is read again when the
    file has changed. Servers are trusted by `cacert`, or else by the CAs of this machine; `credentials` of gRPC stand
    for all of that.

    With `fail_fast`, waits and watches end at once with reason NO_SERVER when no server is reached. Without it they
    wait for one as long as they may, and tell the logger "hero.supervisor.client". A server that has answered once in
    a wait is always waited for.
    """
    address = parse_address(target)
    access = Access(cacert, client_cert, client_key, token, token_file).or_environment()
    credentials = credentials or access.credentials(address)
    shown = access.shown_token(address, encrypted=credentials is not None)
    merged = channel_options(address.target, options)
    if credentials is None:
        channel = grpc.insecure_channel(address.target, options=merged)
    else:
        channel = grpc.secure_channel(address.target, credentials, options=merged)
    reads = RepeatReads()
    channel = grpc.intercept_channel(channel, reads, *([ShowToken(shown)] if shown else []))
    return Client(channel, address=address.text, fail_fast=fail_fast, closed=reads.closed)


def connect_async(
    target: str | None = None,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    cacert: PathLike | None = None,
    client_cert: PathLike | None = None,
    client_key: PathLike | None = None,
    token: str | None = None,
    token_file: PathLike | None = None,
    options: ChannelOptions | None = None,
    fail_fast: bool = False,
) -> AsyncClient:
    """Prepares a client as `connect` does; to be called where an event loop runs."""
    address = parse_address(target)
    access = Access(cacert, client_cert, client_key, token, token_file).or_environment()
    credentials = credentials or access.credentials(address)
    shown = access.shown_token(address, encrypted=credentials is not None)
    merged = channel_options(address.target, options)
    interceptors: list[grpc.aio.ClientInterceptor] = [RepeatReadsAsync()]
    if shown:
        interceptors += [ShowTokenAsync(shown), ShowTokenToStreamAsync(shown)]
    if credentials is None:
        channel = grpc.aio.insecure_channel(address.target, options=merged, interceptors=interceptors)
    else:
        channel = grpc.aio.secure_channel(address.target, credentials, options=merged, interceptors=interceptors)
    return AsyncClient(channel, address=address.text, fail_fast=fail_fast)
