"""Answers that need not be sent twice (RFC 9110 section 13.1.2)."""

from __future__ import annotations

import hashlib

from fastapi import Request, Response
from pydantic import BaseModel


def answer(request: Request, content: BaseModel | bytes) -> Response:
    """*content* as JSON with its ETag; 304 to who has it already."""
    body = content if isinstance(content, bytes) else content.model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if known_already(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def known_already(request: Request, etag: str) -> bool:
    """Whether who asks has the answer with *etag*."""
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return etag in known or "*" in known
