"""Validators that hold addresses, kept so that the cache names none: read only with the feed's own secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

_TAG = 16  # bytes


def seal(data: dict[str, Any], secret: str) -> str:
    """*data*, sealed. The same data and secret give the same text."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    tag = _tag(text, secret)
    return (tag + _masked(text, tag, secret)).hex()


def unseal(sealed: str, secret: str) -> dict[str, Any]:
    """What was sealed; nothing if that was with another secret, or is damaged."""
    try:
        raw = bytes.fromhex(sealed)
    except ValueError:
        return {}
    tag, text = raw[:_TAG], _masked(raw[_TAG:], raw[:_TAG], secret)
    if not hmac.compare_digest(tag, _tag(text, secret)):
        return {}
    data: dict[str, Any] = json.loads(text)
    return data


def _tag(text: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"tag" + text, "sha256")[:_TAG]


def _masked(text: bytes, tag: bytes, secret: str) -> bytes:
    key = hmac.digest(secret.encode(), b"mask" + tag, "sha256")
    stream = hashlib.shake_256(key).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))
