"""Who asks, and which servers are believed: credentials and TLS options of a source.

And secrets that have to be kept where others read: opened only with the secret that they were sealed with.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import astuple, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


@dataclass(frozen=True, slots=True)
class Credentials:
    """Basic authentication (RFC 7617), a bearer token (RFC 6750) or a token in a header of its own."""

    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    header: str = ""  # the token's header; empty for "Authorization: Bearer"
    verify: bool = True
    ca_file: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """The header fields that carry the credentials."""
        found: dict[str, str] = {}
        if self.login or self.password:
            pair = base64.b64encode(f"{self.login}:{self.password}".encode())
            found["Authorization"] = f"Basic {pair.decode()}"
        if self.token:
            found[self.header or "Authorization"] = self.token if self.header else f"Bearer {self.token}"
        return found

    @property
    def identity(self) -> str:
        """What tells it from other accesses: secret."""
        return json.dumps(astuple(self))


ANONYMOUS = Credentials()


@lru_cache(maxsize=64)
def stretched(secret: str) -> str:
    """*secret*, which holds a password, as a key: to guess it from what was sealed takes long for each guess."""
    return hashlib.scrypt(secret.encode(), salt=b"calendar_timetable", n=2**14, r=8, p=1, dklen=32).hex()


def seal(data: dict[str, Any], secret: str) -> str:
    """*data*, sealed. The same data and secret give the same text (RFC 5297), so it can be compared.

    The secret is long and random, as Airflow's own key is; of one that people think up it is :func:`stretched`.
    """
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    return _cipher(secret).encrypt(text, None).hex()


def unseal(sealed: str, secret: str) -> dict[str, Any]:
    """What was sealed; nothing if that was with another secret, or is damaged."""
    from cryptography.exceptions import InvalidTag

    try:
        data: dict[str, Any] = json.loads(_cipher(secret).decrypt(bytes.fromhex(sealed), None))
    except (ValueError, InvalidTag):
        return {}
    return data


def _cipher(secret: str) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(hashlib.sha512(secret.encode()).digest())
