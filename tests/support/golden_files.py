"""The golden files: what is in them, where they are, and when they may be written again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import time_machine

from tests.support.schedules import SCHEDULES, runs_of
from tests.support.timetables import as_json

FOLDER = Path(__file__).parents[1] / "schedule" / "golden"


def file_of(name: str) -> Path:
    """Return the path of the golden file of the schedule called *name*."""
    return FOLDER / f"{name}.json"


def load(name: str) -> dict[str, Any]:
    """Return what the golden file of *name* holds."""
    loaded: dict[str, Any] = json.loads(file_of(name).read_text())
    return loaded


def current(name: str) -> dict[str, Any]:
    """Return what the code of today says of the schedule called *name*.

    That is the serialized form (its keys in order), and the runs that it leads to.
    """
    with time_machine.travel(SCHEDULES[name].now, tick=False):
        serialized = SCHEDULES[name].make().serialize()
    return {
        "now": SCHEDULES[name].now.isoformat(),
        "serialized": serialized,
        "runs": runs_of(name, None),
    }


def breaks(old: object, new: object, where: str = "") -> list[str]:
    """How *new* is more than an addition of keys to *old*."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [f"{where}.{key} is gone" for key in old.keys() - new.keys()]
        return gone + [
            line
            for key in old.keys() & new.keys()
            for line in breaks(old[key], new[key], f"{where}.{key}")
        ]
    return [] if old == new else [f"{where} was {old!r:.80}, is {new!r:.80}"]


def write(name: str) -> None:
    """Write the golden file of *name* anew."""
    FOLDER.mkdir(exist_ok=True)
    file_of(name).write_text(as_json(current(name)))
