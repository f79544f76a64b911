"""A calendar in a file that a test edits, and a task's context without an Airflow around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from calendar_timetable import CalendarTimetable
from tests.support.ics import event, feed


@dataclass
class TeamCalendar:
    """An ICS file that a test edits."""

    path: Path
    events: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return str(self.path)

    def put(self, uid: str, start: str, end: str, *lines: str) -> None:
        """Add or change an event; times as ``"2026-03-02 09:00"``, UTC."""
        span = (f"DTSTART:{_basic(start)}", f"DTEND:{_basic(end)}")
        self.events[uid] = event(f"UID:{uid}", *span, *lines)
        self._write()

    def remove(self, uid: str) -> None:
        del self.events[uid]
        self._write()

    def _write(self) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_bytes(feed(*self.events.values()))
        draft.replace(self.path)


def _basic(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y%m%dT%H%M%SZ")


def context_of(
    timetable: CalendarTimetable | None,
    *,
    run_after: str = "2026-03-02 02:00",
    run_type: str = "scheduled",
    conf: dict[str, Any] | None = None,
    held_since: str | None = None,
    resumes: bool = False,
    **run: Any,
) -> dict[str, Any]:
    """Return what a task sees of its run; times are UTC."""
    first = None if held_since is None else datetime.fromisoformat(f"{held_since}+00:00")
    planned = datetime.fromisoformat(f"{run_after}+00:00")
    server = SimpleNamespace(next_method="look_again" if resumes else None)
    dag = SimpleNamespace(dag_id="training", timetable=timetable)
    task = SimpleNamespace(dag=dag, _pre_execute_hook=None)
    ti = SimpleNamespace(
        dag_id="training",
        task_id="train",
        task=task,
        get_first_reschedule_date=lambda context: first,
        _ti_context_from_server=server,
    )
    dag_run = SimpleNamespace(run_id="r1", run_after=planned, run_type=run_type, conf=conf, **run)
    return {"dag": dag, "task": task, "ti": ti, "dag_run": dag_run}
