"""One HTTP download where it can be killed: ``python -m calendar_timetable.calendars.sources.download``.

A process of its own, since nothing else bounds a name look-up, a handshake or headers that drip; and so
that requests, its threads' locks and its sockets never meet Airflow's forks.
"""

from __future__ import annotations

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message, answer
from calendar_timetable.calendars.net.client import Web, send, served, terms
from calendar_timetable.calendars.net.credentials import Access


def download(url: str, headers: dict[str, str], access: Access) -> tuple[Message, bytes]:
    """GET *url*: its ``status``, its body, and of its headers, as sent, those that :func:`_get` names.

    The body is empty unless the status is 200. Raises :class:`~calendar_timetable.calendars.net.client.DownloadFailed`.
    """
    return send("calendar_timetable.calendars.sources.download", {**terms(url, access), "headers": headers})


def _get(web: Web, request: Message) -> tuple[Message, bytes]:
    found = web.ask(request["url"], request["headers"])
    message = {
        "status": found.status,
        "etag": found.headers.get("etag", ""),
        "last_modified": found.headers.get("last-modified", ""),
        "cache_control": found.headers.get("cache-control", ""),
        "retry_after": found.headers.get("retry-after", ""),
        "content_type": found.headers.get("content-type", ""),
    }
    return message, found.body if found.status == 200 else b""


def _download(request: Message, _: bytes) -> tuple[Message, bytes]:
    return served(_get, request)


if __name__ == "__main__":
    answer(_download, limits.EXPAND_MEMORY, limits.FETCH_SECONDS + 1)
