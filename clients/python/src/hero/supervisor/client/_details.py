"""What a call is made with, changed by an interceptor."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import grpc


class _Details(
    namedtuple("_Details", ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")),
    grpc.ClientCallDetails,
):
    """What a call is made with."""


def details(asked: Any, **changes: Any) -> Any:
    """The same with changes; grpc.aio knows no compression."""
    parts = {name: getattr(asked, name, None) for name in _Details._fields}
    return _Details(**{**parts, **changes})
