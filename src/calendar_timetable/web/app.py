"""The FastAPI app that Airflow mounts under ``/calendar-timetable``; nothing in it is anonymous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from airflow.configuration import conf
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

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

app = FastAPI(title="Upcoming runs", dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)
templates = Environment(loader=FileSystemLoader(PAGE), autoescape=select_autoescape())


@app.middleware("http")
async def harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Headers for every answer, errors included."""
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response


def readable_runs(user: GetUserDep, session: SessionDep, days: Days = 7) -> tuple[list[UpcomingRun], bool]:
    """The upcoming runs of all DAGs that the user may read."""
    dag_ids = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    return upcoming_runs(session, dag_ids, datetime.now(UTC) + timedelta(days=days))


ReadableRuns = Annotated[tuple[list[UpcomingRun], bool], Depends(readable_runs)]


@app.get("/api/runs")
def api_runs(found: ReadableRuns) -> dict[str, Any]:
    """Upcoming runs by start; ``truncated`` tells that some were left out."""
    runs, truncated = found
    return {"runs": [asdict(run) for run in runs], "truncated": truncated}


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
