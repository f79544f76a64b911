"""The FastAPI app that Airflow mounts under ``/calendar-timetable``; nothing in it is anonymous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, auth_manager_from_app, get_user
from airflow.configuration import conf
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from calendar_timetable import __version__
from calendar_timetable.web import subscribing
from calendar_timetable.web.api import api
from calendar_timetable.web.queries import UpcomingRun, upcoming_runs

PAGE = Path(__file__).parent / "page"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
Days = Annotated[int, Query(ge=1, le=35, description="How many days ahead")]

app = FastAPI(
    title="Calendar Timetable",
    version=__version__,
    dependencies=[Depends(get_user)],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)
app.dependency_overrides[auth_manager_from_app] = get_auth_manager  # which Airflow's own dependencies look for
app.include_router(api)
app.include_router(subscribing.router)
app.add_route("/feed.ics", subscribing.feed, include_in_schema=False)  # which the login above does not reach
templates = Environment(loader=FileSystemLoader(PAGE), autoescape=select_autoescape())


@app.middleware("http")
async def harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Headers for every answer, errors included."""
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@app.exception_handler(RequestValidationError)
def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
    """What is wrong with a request: each field with its message, and nothing of what was sent."""
    detail = [
        {"field": str(wrong["loc"][-1]) if wrong["loc"] else "", "message": wrong["msg"]} for wrong in error.errors()
    ]
    return JSONResponse({"detail": detail}, 422)


def readable_runs(user: GetUserDep, session: SessionDep, days: Days = 7) -> tuple[list[UpcomingRun], bool]:
    """The upcoming runs of all DAGs that the user may read."""
    dag_ids = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    return upcoming_runs(session, dag_ids, datetime.now(UTC) + timedelta(days=days))


ReadableRuns = Annotated[tuple[list[UpcomingRun], bool], Depends(readable_runs)]


@app.get("/", response_class=HTMLResponse)
def page(found: ReadableRuns, days: Days = 7) -> str:
    """The page."""
    runs, truncated = found
    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    template = templates.get_template("upcoming.html")
    return template.render(runs=runs, truncated=truncated, days=days, base=base)


@app.get("/page.css")
def stylesheet() -> FileResponse:
    """The page's style."""
    return FileResponse(PAGE / "page.css", media_type="text/css")


@app.get("/page.js")
def script() -> FileResponse:
    """The page's script: Airflow's time zone and theme."""
    return FileResponse(PAGE / "page.js", media_type="text/javascript")
