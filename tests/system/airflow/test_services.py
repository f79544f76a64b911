"""Calendars of Google and Microsoft, read by Airflow's DAG processor.

Through Connections of their providers in Airflow's database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.support import google_service, graph_events, graph_service
from tests.support.clouds import Internet, internet
from tests.support.dags import dag_source
from tests.support.google_events import event
from tests.support.google_service import Google, account_key
from tests.support.graph_service import Graph
from tests.support.origin import SECRET
from tests.support.stack import Stack, in_some_hours

HOUR = timedelta(hours=1)
# What reads these calendars imports their providers, each time within what a fetch may take: on a
# busy machine that needs more than the usual 20 s. Before each DAG file's own lines.
PATIENT = """\
from calendar_timetable.calendars import limits

limits.FETCH_SECONDS = 200

"""


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Internet]:
    with internet(tmp_path / "net") as net:
        yield net


@pytest.fixture
def processor(tmp_path: Path, net: Internet) -> Iterator[Stack]:
    """A DAG processor that reaches these services and no other."""
    settings = {"AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600"}
    stack = Stack(tmp_path / "airflow", settings=settings)
    stack.env.update(net.environment, NO_PROXY="127.0.0.1,localhost")
    try:
        stack.migrate()
        yield stack
    finally:
        stack.stop()


def meet(google: Google, graph: Graph, start: datetime, end: datetime) -> None:
    """The one meeting of both calendars."""
    first, last = f"{start:%Y-%m-%dT%H:%M}", f"{end:%Y-%m-%dT%H:%M}"
    google.put(event(start=f"{first}:00Z", end=f"{last}:00Z", summary=f"Freeze {SECRET}"))
    graph.put(graph_events.event(start=first, end=last, subject=f"Freeze {SECRET}"))


def is_held(stack: Stack, dag_id: str, wanted: tuple[datetime, datetime]) -> bool:
    return stack.next_run(dag_id) == wanted


def test_an_edit_reaches_the_stored_next_run(processor: Stack, net: Internet) -> None:
    google, graph = Google(), Graph()
    due = in_some_hours()
    net.services = {"oauth2.googleapis.com": google.token, "www.googleapis.com": google.calendar}
    net.services |= {"login.microsoftonline.com": graph.token, "graph.microsoft.com": graph.view}
    key = json.dumps({"keyfile_dict": account_key()})
    processor.airflow(
        "connections", "add", "google", "--conn-type", "google_cloud_platform", "--conn-extra", key
    )
    extra = json.dumps({"tenant_id": graph_service.TENANT, "trust_env": True})
    sign_in = (
        "--conn-type",
        "msgraph",
        "--conn-login",
        "client",
        "--conn-password",
        SECRET,
        "--conn-extra",
        extra,
    )
    processor.airflow("connections", "add", "graph", *sign_in)
    calendars = {"google": f"google/{google_service.TEAM}", "graph": f"graph/{graph_service.TEAM}"}
    for dag_id, text in calendars.items():
        calendar = f"Calendar({text!r}, match='*freeze*', refresh=timedelta(seconds=1))"
        schedule = f"CalendarTimetable('0 {due.hour} * * *', blackouts={calendar})"
        processor.write_dag(dag_id, PATIENT + dag_source(dag_id, schedule))
    meet(google, graph, due, due + HOUR)
    processor.start("dag-processor")
    for hours in (1, 2):
        meet(google, graph, due, due + hours * HOUR)
        wanted = (due, due + hours * HOUR)
        for dag_id in calendars:
            held = partial(is_held, processor, dag_id, wanted)
            processor.wait(f"{dag_id} to be held {hours} h", held, seconds=1200)
    logs = "".join(file.read_text(errors="replace") for file in processor.home.rglob("*.log"))
    assert SECRET not in logs
