"""The command that publishes runs, on a real Airflow and into a real CalDAV server."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta

import pytest

from calendar_timetable.publishing.publish import desired_events, publish_into
from calendar_timetable.publishing.target import Planned, PublishResult
from calendar_timetable.runs.calendar_events import Site
from calendar_timetable.runs.rows import RunRow
from demo.local_airflow import LocalAirflow
from tests.support.dav_servers import Server
from tests.support.published import NOW, SITE, objects


def written(
    conn_id: str, rows: list[RunRow], site: Site = SITE, now: datetime = NOW
) -> PublishResult:
    since = (now - timedelta(days=1)).timestamp()
    return publish_into(conn_id, site, desired_events(rows, site, now.timestamp()), Planned(since))


@pytest.mark.airflow
@pytest.mark.parametrize("server", ["radicale"], indirect=True)
def test_the_command_publishes_what_the_list_tells(
    airflow: LocalAirflow, server: Server, runs_calendar: str
) -> None:
    told = {
        "AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS": "True",
        "AIRFLOW__CALENDAR_TIMETABLE__PUBLISH_TO": runs_calendar,
        "AIRFLOW_CONN_DAV": os.environ["AIRFLOW_CONN_DAV"],
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return airflow.run_program("calendar_timetable.cli", "publish", *arguments, **told)

    first = run("--scope", "tag:ml", "--json")
    assert first.returncode == 0, first.stderr[-2000:]
    done = json.loads(first.stdout)
    events = objects(server)
    assert (done["written"], done["removed"], done["unchanged"], done["left"]) == (
        len(events),
        0,
        0,
        0,
    )
    assert len(events) > 40
    assert {
        text.partition("URL:")[2].splitlines()[0].rpartition("/")[2] for text in events.values()
    } == {
        "visible",
        "secret",
    }
    for wrong in ("tags:ml", "tag:nope", "dag:nope"):
        refused = run("--scope", wrong)
        assert (refused.returncode, objects(server)) == (2, events)
        assert wrong in refused.stderr and "Traceback" not in refused.stderr

    looked = run("--scope", "dag:plain", "--dry-run")
    assert looked.returncode == 0 and objects(server) == events
    lines = looked.stdout.splitlines()
    assert all(
        line.startswith("write ") and line.endswith("  plain")
        for line in lines
        if line.startswith("write")
    )
    assert len([line for line in lines if line.startswith("remove ")]) > 40
    assert lines[-1].startswith(
        f"{len([line for line in lines if line.startswith('write')])} to write, "
    )
    mistaken = run("--scope", "dag:plain")
    assert (mistaken.returncode, objects(server)) == (1, events)
    assert "events would be removed, more than half of those that are there" in mistaken.stderr
    assert json.loads(run("--scope", "dag:plain", "--force", "--json").stdout)["removed"] > 40
    assert json.loads(run("--scope", "tag:ml", "--force", "--json").stdout)["written"] > 40
    events = objects(server)
    assert json.loads(run("--remove", "--json").stdout)["removed"] == len(events)
    assert objects(server) == {}
