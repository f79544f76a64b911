"""Secrets that have to be kept where others read: opened only with the secret that they were sealed with."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


def seal(data: dict[str, Any], secret: str) -> str:
    """*data*, sealed. The same data and secret give the same text (RFC 5297), so it can be compared."""
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
