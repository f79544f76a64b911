"""The built page: its files for Airflow's page, and a page by itself for roles without plugins."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from airflow.configuration import conf
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

NAME = re.compile(r"[a-z-]+\.[a-z]+")
STATIC = Path(__file__).parent / "static"
# The page holds its styles in its script, and adopts them: no inline style is needed.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)

router = APIRouter(include_in_schema=False)
files = StaticFiles(directory=STATIC, check_dir=False)


def version_of(name: str) -> str:
    """Return a text for addresses that changes when the file does; empty if it is not built."""
    try:
        return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    except FileNotFoundError:
        return ""


def base_path() -> str:
    """Return the path that Airflow is served under, without a slash at its end."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")


async def ask_to_log_in(request: Request, error: Exception) -> Response:
    """Redirect a browser that opens the page without a login to Airflow's login, and back.

    Any other error is answered as FastAPI does.
    """
    assert isinstance(error, HTTPException)
    if error.status_code == 401 and request.headers.get("sec-fetch-mode") == "navigate":
        place = f"{request.url.path}?{request.url.query}".removesuffix("?")
        return RedirectResponse(f"{base_path()}/api/v2/auth/login?{urlencode({'next': place})}")
    return await http_exception_handler(request, error)


@router.get("/")
async def page(request: Request) -> Response:
    """Serve the page by itself."""
    return await static("index.html", request)


@router.get("/static/{name}")
async def static(name: str, request: Request) -> Response:
    """Serve one file of the built page; browsers ask each time whether their copy is current."""
    if not NAME.fullmatch(name):
        raise HTTPException(404)
    response = await files.get_response(name, request.scope)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response
