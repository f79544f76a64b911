"""The placement file of a deployment: how long after they are due the runs of each DAG start.

``calendar-timetable place`` writes it, people review it, and ``[calendar_timetable] placement``
names it. It is read only where DAG files are parsed; its entry for a DAG travels in the
serialized DAG.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from calendar_timetable.config import SECTION, option
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.plan import Placement

VERSION = 1
_MOST_BYTES = 8_000_000  # some 50,000 DAGs
_MOST_WHY = 200  # characters of a reason, which travels in the DAG
_DELAY = re.compile(r"(\d{1,5}):([0-5]\d):([0-5]\d)")
_HEAD = """\
# When the runs of these DAGs start: so long after they are due, where that is in open time.
# Made by `calendar-timetable place`; what is changed by hand stays while it can.
"""

_log = logging.getLogger(__name__)
# The file's path, time of change and size, and the placements in it by DAG id.
_read: tuple[tuple[str, int, int], Mapping[str, Placement]] | None = None


def placement_of(dag_id: str) -> Placement | None:
    """Return the placement of the DAG *dag_id* in the deployment's file; ``None`` without an entry.

    Never raises: a file that cannot be used has no entries, which is logged once.
    """
    name = option("placement")
    return _remembered(name).get(dag_id) if name else None


def _remembered(name: str) -> Mapping[str, Placement]:
    global _read  # noqa: PLW0603
    path = Path(name)
    key = name, 0, 0
    # RuntimeError: "~name" of an unknown user. Reading it below says that it is not there.
    with suppress(OSError, RuntimeError):
        path = path.expanduser()
        status = path.stat()
        key = name, status.st_mtime_ns, status.st_size
    if _read is None or _read[0] != key:
        try:
            _read = key, read(path)
        except InvalidArgument as error:
            _log.warning("No DAG is placed: %s", error)
            _read = key, {}
    return _read[1]


def read(path: Path) -> dict[str, Placement]:
    """Return the placements in the file at *path*, by DAG id.

    Raises :class:`InvalidArgument` where the file cannot be read. An entry that cannot be used is
    left out and logged.
    """
    field = f"[{SECTION}] placement"
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidArgument(
            field, str(path), f"{reason}: make it with calendar-timetable place --out"
        ) from None
    if len(content) > _MOST_BYTES:
        raise InvalidArgument(field, str(path), f"it has more than {_MOST_BYTES:,} bytes")
    try:
        data = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(field, str(path), f"this is no TOML: {error}") from None
    if type(data.get("version")) is not int or data["version"] != VERSION:
        raise InvalidArgument(
            f"version of {path}", data.get("version"), f"this release reads version {VERSION}"
        )
    dags = data.get("dags", {})
    if not isinstance(dags, dict):
        raise InvalidArgument(f"dags of {path}", dags, 'write [dags."the DAG\'s id"]')
    placements = {}
    for dag_id, entry in dags.items():
        try:
            placements[dag_id] = _placement(dag_id, entry)
        except InvalidArgument as error:
            _log.warning("DAG %s is not placed: %s", dag_id, error)
    return placements


def _placement(dag_id: str, entry: Any) -> Placement:
    entry = entry if isinstance(entry, dict) else {}
    delay, why = entry.get("delay"), entry.get("why", "")
    parts = _DELAY.fullmatch(delay) if isinstance(delay, str) else None
    if parts is None:
        remedy = 'write hours, minutes and seconds after its due time, as "03:20:00"'
        raise InvalidArgument(f"dags.{dag_id}.delay", delay, remedy)
    if not isinstance(why, str):
        raise InvalidArgument(f"dags.{dag_id}.why", why, "give a text")
    hours, minutes, seconds = map(int, parts.groups())
    return Placement((hours * 60 + minutes) * 60 + seconds, why[:_MOST_WHY])


def as_toml(placements: Mapping[str, Placement]) -> str:
    """Return *placements* as the text of a file, in the order of DAG ids: diffs stay small."""
    lines = [_HEAD, f"version = {VERSION}\n"]
    for dag_id, placement in sorted(placements.items()):
        minutes, seconds = divmod(placement.delay or 0, 60)
        delay = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        lines.append(f"\n[dags.{_quoted(dag_id)}]\ndelay = {_quoted(delay)}\n")
        if placement.why:
            lines.append(f"why = {_quoted(placement.why)}\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    """Return *text* as a basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", escaped) + '"'
