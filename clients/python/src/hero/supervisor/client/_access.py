"""Whom a client trusts, and how it shows who it is."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from hero.supervisor.client._address import Address
from hero.supervisor.client._token import Token

PathLike = str | os.PathLike[str]

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the CAs that they trust. gRPC for Python trusts a list of its own otherwise."""


@dataclass(frozen=True)
class Access:
    """What `connect` was given, or else what the environment says."""

    cacert: PathLike | None = None
    client_cert: PathLike | None = None
    client_key: PathLike | None = None
    token: str | None = None
    token_file: PathLike | None = None

    def or_environment(self) -> Access:
        """Fills in what no argument says."""
        cacert, pair, token = self.cacert, (self.client_cert, self.client_key), (self.token, self.token_file)
        if not any(pair):
            pair = (_variable("CLIENT_CERT"), _variable("CLIENT_KEY"))
        if not any(token):
            token = (_variable("TOKEN"), _variable("TOKEN_FILE"))
        return Access(cacert or _variable("CACERT"), *pair, *token)

    @property
    def has_token(self) -> bool:
        return bool(self.token or self.token_file)

    def encrypts(self, address: Address) -> bool:
        """Whether the connection to an address is encrypted."""
        given = bool(self.cacert or self.client_cert)
        return address.tls or (address.bare and (given or (self.has_token and not address.local)))

    def credentials(self, address: Address) -> grpc.ChannelCredentials | None:
        """Those of the connection, or none if it is plain."""
        if bool(self.client_cert) != bool(self.client_key):
            raise ValueError("a client certificate and its key go together: give both")
        if not self.encrypts(address):
            return None
        pair = [_read(path, "the client certificate") if path else None for path in (self.client_cert, self.client_key)]
        return grpc.ssl_channel_credentials(self._roots(), private_key=pair[1], certificate_chain=pair[0])

    def shown_token(self, address: Address, *, encrypted: bool) -> Token | None:
        """The token, if there is one; never for a plain connection to another machine."""
        if not self.has_token:
            return None
        if not encrypted and not address.local:
            raise ValueError(
                f'"{address.text}" would send the token in the clear to another machine: use https://{address.place}'
            )
        return Token(self.token, self.token_file)

    def _roots(self) -> bytes | None:
        if self.cacert:
            return _read(self.cacert, "the CA certificates", "CERTIFICATE")
        if os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
            return None
        paths = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
        return next((Path(path).read_bytes() for path in paths if path and Path(path).is_file()), None)


def _variable(name: str) -> str | None:
    return os.environ.get(f"HERO_SUPERVISOR_{name}") or None


def _read(path: PathLike, what: str, kind: str = "") -> bytes:
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{what} cannot be read: {error}") from error
    if f"-----BEGIN {kind}".encode() not in text:
        raise ValueError(f"{what} cannot be read: {path} holds no {kind.lower() or 'certificate or key'} in PEM")
    return text
