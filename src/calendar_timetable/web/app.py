"""The FastAPI app that Airflow mounts under ``/calendar-timetable``.

What it tells is for users who are logged in; a feed, for whoever has its secret address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import auth_manager_from_app, get_user
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from calendar_timetable._version import __version__
from calendar_timetable.runs import time_budget
from calendar_timetable.web import (
    advice_routes,
    impact_routes,
    load_routes,
    models,
    override_routes,
    static_page,
    subscription_routes,
)
from calendar_timetable.web.routes import api

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}

_SHOWN = 80  # characters of a wrong value that are repeated in the answer

app = FastAPI(
    title="Calendar Timetable",
    version=__version__,
    dependencies=[Depends(get_user)],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)
# Airflow's own dependencies look for the auth manager in the state of the app: this one has none.
app.dependency_overrides[auth_manager_from_app] = get_auth_manager
app.include_router(api)
app.include_router(override_routes.router)
app.include_router(impact_routes.router)
app.include_router(load_routes.router)
app.include_router(advice_routes.router)
app.include_router(subscription_routes.router)
# A plain route, to which the login that the app depends on does not apply: its token is enough.
app.add_route("/feed.ics", subscription_routes.feed, include_in_schema=False)
app.include_router(static_page.router)
app.add_exception_handler(HTTPException, static_page.ask_to_log_in)


@app.middleware("http")
async def harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Bound what an answer may cost, and add headers to every answer, errors included."""
    with time_budget.answer():
        response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@app.exception_handler(RequestValidationError)
def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 422 with what is wrong with a request: each field with its message.

    What was sent is repeated only where it stands in the address.
    """
    detail = [_wrong(fault["loc"], fault["msg"], fault.get("input")) for fault in error.errors()]
    return JSONResponse(models.Refusal(detail=detail).model_dump(), 422)


@app.exception_handler(time_budget.Busy)
def put_off(_: Request, error: time_budget.Busy) -> JSONResponse:
    """Answer 429, as too much is asked for at once, and say when to ask again."""
    return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(error.retry_after)})


def _wrong(place: tuple[str | int, ...], message: str, value: object) -> models.Wrong:
    field = next((part for part in reversed(place) if isinstance(part, str)), "")
    excerpt = f"{value[:_SHOWN]!r}: " if place[:1] == ("query",) and isinstance(value, str) else ""
    return models.Wrong(field=field, message=excerpt + message)
