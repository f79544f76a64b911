"""Secrets that have to be kept where others read, sealed.

They are opened only with the secret that they were sealed with.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


@lru_cache(maxsize=64)
def stretched(secret: str) -> str:
    """Return a key made from *secret*, which holds a password.

    It is slow to compute (scrypt), so that each guess at the password of something sealed takes
    long.
    """
    return hashlib.scrypt(
        secret.encode(), salt=b"calendar_timetable", n=2**14, r=8, p=1, dklen=32
    ).hex()


def seal(data: dict[str, Any], secret: str) -> str:
    """Return *data*, sealed with *secret* (RFC 5297).

    The same data and secret give the same text, so that it can be compared. The secret has to be
    long and random, as Airflow's own key is; one that people have chosen goes through
    :func:`stretched` first.
    """
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    return _cipher(secret).encrypt(text, None).hex()


def unseal(sealed: str, secret: str) -> dict[str, Any]:
    """Return what was sealed.

    It is empty if that was sealed with another secret, or is damaged.
    """
    from cryptography.exceptions import InvalidTag

    try:
        data: dict[str, Any] = json.loads(_cipher(secret).decrypt(bytes.fromhex(sealed), None))
    except (ValueError, InvalidTag):
        return {}
    return data


def _cipher(secret: str) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(hashlib.sha512(secret.encode()).digest())
