"""What all routes share: parameters of lists, refusals, and how answers are sent.

An answer that the client has already is not sent again (RFC 9110 section 13.1.2).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from calendar_timetable.web.models import Refusal

Limit = Annotated[int, Query(ge=1, le=5000, description="How many at most")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many to leave out first")]
Refusals = dict[int | str, dict[str, Any]]
REFUSALS: Refusals = {
    401: {"description": "Nobody is logged in"},
    403: {
        "description": "Who is logged in may not do this, or another site has asked for a change"
    },
    404: {"description": "It is not there, or who asks may not read it"},
    422: {"description": "The question is wrong, or asks for too much", "model": Refusal},
    429: {"description": "Others ask for much at this moment: Retry-After says when to ask again"},
}


def wrong(
    field: str, message: str, where: Literal["query", "body"] = "query"
) -> RequestValidationError:
    """Return the error for a wrong parameter or field of a request, which is answered with 422."""
    return RequestValidationError([{"loc": (where, field), "msg": message, "type": "value_error"}])


def known_parameters(request: Request) -> None:
    """Refuse parameters that the route does not know: a mistyped filter would show everything."""
    route = request.scope["route"]
    names = sorted(
        {parameter.alias for parameter in get_flat_dependant(route.dependant).query_params}
    )
    for name in request.query_params:
        if name not in names:
            remedy = f"give one of {', '.join(names)}" if names else "this takes none"
            raise wrong(name, f"{name[:80]!r} is not a parameter here: {remedy}")


def answer(request: Request, content: BaseModel | bytes) -> Response:
    """Return *content* as JSON with its ETag, or 304 where the client has it already."""
    body = content if isinstance(content, bytes) else content.model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if client_has(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def client_has(request: Request, etag: str) -> bool:
    """Tell whether the client has the answer with *etag* already."""
    etags = {
        tag.strip().removeprefix("W/")
        for tag in request.headers.get("if-none-match", "").split(",")
    }
    return etag in etags or "*" in etags
