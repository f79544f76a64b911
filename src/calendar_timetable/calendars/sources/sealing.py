"""Secrets that have to be kept where others read: opened only with the secret that they were sealed with."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


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
