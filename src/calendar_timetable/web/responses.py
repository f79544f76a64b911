"""What all routes share: pages of lists, refusals, answers that need not be sent twice (RFC 9110 section 13.1.2)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from calendar_timetable.web import models

Limit = Annotated[int, Query(ge=1, le=5000, description="How many at most")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many to leave out first")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "Nobody is logged in"},
    403: {"description": "Who is logged in may not do this, or another site has asked for a change"},
    404: {"description": "It is not there, or who asks may not read it"},
    422: {"description": "The question is wrong, or asks for too much", "model": models.Refusal},
    429: {"description": "Others ask for much at this moment: Retry-After says when to ask again"},
}


def wrong(field: str, message: str) -> RequestValidationError:
    """What is wrong with a parameter of the question: answered with 422."""
    return RequestValidationError([{"loc": ("query", field), "msg": message, "type": "value_error"}])


def known_parameters(request: Request) -> None:
    """Refuse what no route would look at: a mistyped filter would quietly show everything."""
    route = request.scope["route"]
    known = sorted({parameter.alias for parameter in get_flat_dependant(route.dependant).query_params})
    for name in request.query_params:
        if name not in known:
            remedy = f"give one of {', '.join(known)}" if known else "this takes none"
            raise wrong(name, f"{name[:80]!r} is not a parameter here: {remedy}")


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
