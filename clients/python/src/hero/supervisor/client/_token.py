"""The token that is shown with each call."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from hero.supervisor.client._details import details


class Token:
    """A token. One in a file is read again when the file has changed, since tokens rotate."""

    def __init__(self, text: str | None, path: str | os.PathLike[str] | None) -> None:
        if text and path:
            raise ValueError("a token and a token file were given: give one of them")
        self._lock = threading.Lock()
        self._path = Path(path) if path else None
        self._seen: tuple[int, int, int] | None = None
        if self._path is None:
            self._text = _checked(text or "")
        else:
            try:
                self._read(self._path)
            except OSError as error:
                raise ValueError(f"the token file cannot be read: {error}") from error

    def current(self) -> str:
        """The token of now. While the file cannot be read, it stays what it was."""
        if self._path is not None:
            with self._lock:
                try:
                    if _stamp(self._path) != self._seen:
                        self._read(self._path)
                except (OSError, ValueError):
                    pass
        return self._text

    def _read(self, path: Path) -> None:
        stamp = _stamp(path)
        try:
            self._text = _checked(path.read_text())
        except ValueError as error:
            raise ValueError(f"the token file {path}: {error}") from error
        self._seen = stamp


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes with a file."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _checked(text: str) -> str:
    """A token without the white space around it."""
    text = text.strip()
    if not text:
        raise ValueError("the token is empty")
    if re.fullmatch(r"[!-~]+", text) is None:
        raise ValueError("the token is not one word of visible ASCII characters")
    return text


class _Shows:
    def __init__(self, token: Token) -> None:
        self._token = token

    def _with_token(self, asked: Any) -> Any:
        shown = ("authorization", f"Bearer {self._token.current()}")
        return details(asked, metadata=[*(asked.metadata or ()), shown])


class ShowToken(_Shows, grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the token to calls."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)


class ShowTokenAsync(_Shows, grpc.aio.UnaryUnaryClientInterceptor):
    """The same for asyncio, which wants one class for each kind of call."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._with_token(client_call_details), request)


class ShowTokenToStreamAsync(_Shows, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._with_token(client_call_details), request)
