"""The built page: its files for Airflow's own page, and a page of its own for roles that see no plugins."""

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
    """A part of an address that changes when the file does; empty where the page is not built."""
    try:
        return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    except FileNotFoundError:
        return ""


def base_path() -> str:
    """The path that Airflow is served under, without a slash at its end."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")


async def ask_to_log_in(request: Request, error: Exception) -> Response:
    """Send a person whose browser opens the page without a login to Airflow's, and back; anything else is told."""
    assert isinstance(error, HTTPException)
    if error.status_code == 401 and request.headers.get("sec-fetch-mode") == "navigate":
        here = f"{request.url.path}?{request.url.query}".removesuffix("?")
        return RedirectResponse(f"{base_path()}/api/v2/auth/login?{urlencode({'next': here})}")
    return await http_exception_handler(request, error)


@router.get("/")
async def page(request: Request) -> Response:
    """The page by itself."""
    return await static("index.html", request)


@router.get("/static/{name}")
async def static(name: str, request: Request) -> Response:
    """One file of the built page; a browser asks whether its copy is still the same."""
    if not NAME.fullmatch(name):
        raise HTTPException(404)
    response = await files.get_response(name, request.scope)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response
