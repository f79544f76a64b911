"""Who passes a freeze, when, why and how: over days, as the list, the gates and the page tell it."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import time_machine
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.variable import Variable
from airflow.models.xcom import XComModel
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from airflow.timetables.base import TimeRestriction
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from calendar_timetable import DeploymentRule, Weekly
from calendar_timetable.config import RULES
from calendar_timetable.runs import exemptions, lru
from calendar_timetable.runs.exemptions import VARIABLE, Exemption, decode, encode
from calendar_timetable.schedule import time_rules
from tests.support.airflow_database import add_dag, add_run
from tests.support.ics import event, feed
from tests.support.moments import utc
from tests.support.recorded import Task, add_task
from tests.support.web_app import Rights, Viewer, asked

TUESDAY = datetime(2026, 3, 3, 12, tzinfo=UTC)
BEGIN, END = utc("2026-03-03T10:00"), utc("2026-03-06T10:00")
EVENT = event("SUMMARY:Freeze", "DTSTART:20260303T100000Z", "DTEND:20260306T100000Z")
DAGS = """
from datetime import datetime
from airflow.sdk import DAG, Asset
from airflow.providers.standard.operators.empty import EmptyOperator

def dag(dag_id, schedule, **given):
    with DAG(dag_id, schedule=schedule, start_date=datetime(2026, 1, 1), catchup=False, **given) as made:
        EmptyOperator(task_id="work")
    globals()[dag_id] = made

dag("hourly", "0 * * * *")
dag("nightly", "0 2 * * *")
dag("asset", [Asset("a")])
dag("exempt", "0 * * * *", tags=["no-freeze"])
"""


class Person(Viewer):
    name = "carol"


class Deployment:
    """An Airflow whose rules freeze time, and the people at it."""

    def __init__(self, session: Session, folder: Path, client: TestClient, clock: Any) -> None:
        self.session, self.client, self.clock = session, client, clock
        self.calendar, self.file = folder / "change_freeze.ics", folder / "dags" / "plain.py"
        self.file.parent.mkdir()
        self.file.write_text(DAGS)
        self.freeze(EVENT)
        self.dags: dict[str, Any] = {}

    def freeze(self, *events: str) -> None:
        self.calendar.write_bytes(feed(*events))

    def parse(self) -> dict[str, Any]:
        """Read the DAG file as the DAG processor does; return what it would store."""
        exemptions._kept = None  # each parse is a process of its own
        time_rules._kept.clear()
        read = DagBag(str(self.file))
        assert not read.import_errors
        self.dags = dict(read.dags)
        found = {
            i: json.loads(json.dumps(DagSerialization.to_dict(d))) for i, d in read.dags.items()
        }
        for dag in found.values():
            dag["dag"].pop("last_loaded", None)
        return found

    def store(self) -> dict[str, Any]:
        found = self.parse()
        for dag_id, dag in self.dags.items():
            add_dag(
                self.session, dag, datetime.now(UTC), relative_fileloc=f"{dag_id}.py", owners="team"
            )
        return found

    def store_anew(self, dag_id: str) -> None:
        """Store what was parsed last as the DAG's next version."""
        version = DagVersion(dag_id=dag_id, version_number=2, bundle_name="dags")
        self.session.add(version)
        self.session.flush()
        serialized = SerializedDagModel(
            LazyDeserializedDAG(data=DagSerialization.to_dict(self.dags[dag_id]))
        )
        serialized.dag_version_id = version.id
        serialized.created_at = serialized.last_updated = datetime.now(UTC)
        self.session.add(serialized)
        self.session.commit()

    def trigger(
        self,
        dag_id: str,
        who: str | None,
        conf: Any = None,
        *,
        run_type: str = "manual",
        note: str = "",
    ) -> str:
        now = datetime.now(UTC)
        run_id = f"{run_type}__{now.isoformat()}"
        add_run(
            self.session, dag_id, "running", now, run_id=run_id, run_type=run_type, start_date=now
        )
        run = self.session.scalar(
            select(DagRun).where(DagRun.run_id == run_id, DagRun.dag_id == dag_id)
        )
        assert run is not None
        run.conf, run.triggering_user_name = conf or {}, who
        run.created_dag_version_id = self.session.scalar(
            select(DagVersion.id)
            .where(DagVersion.dag_id == dag_id)
            .order_by(DagVersion.version_number.desc())
        )
        if note:
            run.note = note
        self.session.commit()
        return run_id

    def work(self, run_id: str, dag_id: str = "asset") -> None:
        """Begin the run's task as the task runner does."""
        run = self.session.scalar(
            select(DagRun).where(DagRun.run_id == run_id, DagRun.dag_id == dag_id)
        )
        assert run is not None

        # Airflow 3.4 keeps XComs by the try that they are of.
        if run.get_task_instance("work", session=self.session) is None:
            began = datetime.now(UTC).timestamp()
            add_task(self.session, run, Task("work", began, began, None, state="running"))

        def push(key: str, value: Any) -> None:
            XComModel.set(
                key, value, dag_id=dag_id, task_id="work", run_id=run_id, session=self.session
            )

        ti = SimpleNamespace(
            dag_id=dag_id, get_first_reschedule_date=lambda context: None, xcom_push=push
        )
        # What the API server tells a worker of a run
        told = ("run_id", "run_type", "run_after", "start_date", "conf", "triggering_user_name")
        context = {
            "ti": ti,
            "dag": self.dags[dag_id],
            "dag_run": SimpleNamespace(**{name: getattr(run, name) for name in told}, note=None),
        }
        self.dags[dag_id].get_task("work")._pre_execute_hook(context)

    def told(self, **asked: Any) -> list[dict[str, Any]]:
        answer = self.client.get("/api/overrides", params=asked)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["overrides"]
        return found

    def said(self, **asked: Any) -> list[tuple[Any, ...]]:
        return [
            (one["dag_id"], one["how"], one["who"], one["reason"], one["refused"])
            for one in self.told(**asked)
        ]


@pytest.fixture
def rights() -> Rights:
    return Rights()


@pytest.fixture
def here(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> Iterator[Deployment]:
    def in_database() -> str | None:
        found = session.scalar(select(Variable).where(Variable.key == VARIABLE))
        return None if found is None else found.get_val()

    lru.forget()
    monkeypatch.setattr(exemptions, "_read", in_database)
    monkeypatch.delitem(sys.modules, "airflow_local_settings", raising=False)
    monkeypatch.setenv(
        "AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS", str(tmp_path / "change_freeze.ics")
    )
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__EXEMPT_TAGS", "no-freeze")
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    with (
        time_machine.travel(TUESDAY, tick=False) as clock,
        asked(session, monkeypatch, rights, Person()) as client,
    ):
        yield Deployment(session, tmp_path, client, clock)
    lru.forget()


def first_start(data: dict[str, Any]) -> datetime | None:
    info = DagSerialization.from_dict(data).timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    return None if info is None else info.run_after


def test_the_story_of_a_freeze(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    here.clock.move_to(BEGIN - timedelta(hours=1))
    frozen = here.store()
    before = here.trigger("asset", "ada")
    here.work(before)
    here.trigger("hourly", None, run_type="scheduled")
    assert here.told() == [], "time was open, and nobody passed anything"

    # Ada says why, Bob does not.
    here.clock.move_to(TUESDAY)
    here.trigger("hourly", "ada", {"ignore_calendar": "the auditors wait"})
    here.clock.shift(timedelta(minutes=5))
    here.work(here.trigger("asset", "bob"))
    here.clock.shift(timedelta(minutes=5))
    here.trigger("exempt", "bob")  # a DAG that no rule holds
    here.trigger("nightly", "eve", note="a note\nof two lines")
    assert here.said() == [
        ("nightly", "by_hand", "eve", "a note of two lines", False),
        ("asset", "by_hand", "bob", None, False),
        ("hourly", "conf", "ada", "the auditors wait", False),
    ]

    # From now on who passes must say why.
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__REQUIRE_REASON", "True")
    here.clock.shift(timedelta(minutes=50))
    refused = here.trigger("asset", "bob")
    with pytest.raises(AirflowFailException, match=r'"ignore_calendar": "why"'):
        here.work(refused)
    here.clock.shift(timedelta(minutes=1))
    with pytest.raises(AirflowFailException):
        here.work(here.trigger("asset", "bob", {"ignore_calendar": True}))
    here.clock.shift(timedelta(minutes=1))
    here.work(
        here.trigger(
            "asset",
            "ada",
            {"ignore_calendar": "the auditors still wait"},
            run_type="asset_triggered",
        )
    )
    assert here.said(dag_id="asset")[:3] == [
        ("asset", "conf", "ada", "the auditors still wait", False),
        ("asset", "conf", "bob", None, True),
        ("asset", "by_hand", "bob", None, True),
    ]
    here.work(before)  # it began before the freeze

    # Carol exempts a DAG until tomorrow noon.
    assert first_start(here.parse()["hourly"]) == END
    until = TUESDAY + timedelta(days=1)
    answer = here.client.post(
        "/api/dags/hourly/exemption",
        json={"until": until.isoformat(), "reason": " quarter's end\n"},
    )
    assert answer.status_code == 201, answer.text
    assert [
        (one.bundle_name, one.relative_fileloc)
        for one in here.session.scalars(select(DagPriorityParsingRequest))
    ] == [("dags", "hourly.py")]
    now = datetime.now(UTC)
    exempted = here.parse()
    assert first_start(exempted["hourly"]) == now, "what has waited starts at once"
    assert {i for i in frozen if exempted[i] != frozen[i]} == {"hourly"}
    here.store_anew("hourly")
    here.clock.move_to(TUESDAY + timedelta(hours=8))
    assert first_start(exempted["hourly"]) == TUESDAY + timedelta(hours=8)
    here.trigger("hourly", "bob")  # what is exempt needs no reason
    assert ("hourly", "by_hand", "bob", None, False) not in here.said()

    # It ends by itself; the bytes are as before.
    here.clock.move_to(until)
    assert first_start(exempted["hourly"]) == END, "also where the file was not read since"
    assert here.parse() == frozen
    here.clock.move_to(END + timedelta(days=1))
    here.freeze()
    here.clock.shift(timedelta(hours=1))
    assert here.parse()["hourly"] != frozen["hourly"]
    granted = here.told(dag_id="hourly")[0]
    assert {k: v for k, v in granted.items() if v is not None} == {
        "how": "exemption",
        "dag_id": "hourly",
        "dag_display_name": "hourly",
        "at": now.isoformat().replace("+00:00", "Z"),
        "until": until.isoformat().replace("+00:00", "Z"),
        "who": "carol",
        "reason": "quarter's end",
        "refused": False,
    }
    assert len(here.told()) == 7, "the list is not shorter for the event being gone"


def test_commands_that_leave_no_run_are_told(here: Deployment) -> None:
    """``airflow tasks test`` runs a task, and takes its run away again."""

    def test_a_task(dag_id: str) -> None:
        line = Log(event="cli_task_test", owner="root", dag_id=dag_id, task_id="work")
        line.dttm = datetime.now(UTC)
        here.session.add(line)
        here.session.commit()

    here.clock.move_to(BEGIN - timedelta(hours=1))
    here.store()
    test_a_task("hourly")
    here.clock.move_to(TUESDAY)
    for dag_id in ("hourly", "asset", "exempt"):
        test_a_task(dag_id)
    assert sorted(here.said()) == [
        ("asset", "command", "root", None, False),
        ("hourly", "command", "root", None, False),
    ]
    here.clock.move_to(END + timedelta(hours=1))
    test_a_task("hourly")
    assert len(here.told()) == 2


def test_runs_of_any_run_after_are_told(here: Deployment) -> None:
    """Whoever triggers a run may say that it was to run long ago; and clearing begins it anew."""
    here.store()
    run_id = here.trigger("hourly", "ada")
    run = here.session.scalar(select(DagRun).where(DagRun.run_id == run_id))
    assert run is not None
    run.run_after = TUESDAY - timedelta(days=400)
    here.session.commit()
    assert here.said() == [("hourly", "by_hand", "ada", None, False)]
    # As `airflow dags test hourly 2025-01-01` says of a run that is made now.
    run.run_after, run.start_date = TUESDAY, TUESDAY - timedelta(days=400)
    here.session.commit()
    assert here.said() == [("hourly", "by_hand", "ada", None, False)]


def test_who_was_held_did_not_pass(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__APPLY_TO", "all")
    here.store()
    for dag_id in ("hourly", "asset"):
        here.trigger(dag_id, "ada")
    here.trigger("nightly", "bob", {"ignore_calendar": "the auditors wait"})
    assert here.said() == [("nightly", "conf", "bob", "the auditors wait", False)]


def test_an_exemption_may_be_made_longer_again_and_again(here: Deployment) -> None:
    here.store()
    path = "/api/dags/hourly/exemption"
    for days in (0, 20, 40):
        here.clock.move_to(TUESDAY + timedelta(days=days))
        until = TUESDAY + timedelta(days=days + 30)
        asked = {"until": until.isoformat(), "reason": "still"}
        assert here.client.post(path, json=asked).status_code == 201
        exemption = here.client.get(path).json()["exemption"]
        assert exemption is not None and exemption["until"][:10] == f"{until:%Y-%m-%d}"


def test_an_exemption_is_ended(here: Deployment) -> None:
    here.store()
    frozen = here.parse()
    path = "/api/dags/hourly/exemption"
    assert here.client.delete(path).status_code == 204
    assert here.session.scalars(select(Log)).all() == [], "there was none to end"
    far = {"until": "2026-03-20T00:00", "reason": "because"}
    assert here.client.post(path, json=far).status_code == 201
    told = here.client.get(path).json()
    assert told["exemption"]["who"] == "carol" and told["may_exempt"]
    assert told["rules"] == ["not change_freeze.ics"]
    here.clock.shift(timedelta(hours=1))
    assert here.client.delete(path).status_code == 204
    assert here.client.get(path).json()["exemption"] is None
    assert here.parse() == frozen
    here.clock.shift(timedelta(hours=1))
    assert here.client.post(path, json=far).status_code == 201
    here.clock.shift(timedelta(hours=1))
    assert here.client.post(path, json={**far, "reason": "still"}).status_code == 201
    assert [(one["reason"], one["at"][11:16], one["until"][5:16]) for one in here.told()] == [
        ("still", "15:00", "03-20T00:00"),
        ("because", "14:00", "03-03T15:00"),
        ("because", "12:00", "03-03T13:00"),
    ]
    assert {log.owner for log in here.session.scalars(select(Log))} == {"carol"}


def test_who_may_what(here: Deployment, rights: Rights) -> None:
    here.store()
    here.trigger("hourly", "ada", {"ignore_calendar": "secret"})
    path, body = "/api/dags/hourly/exemption", {"until": "2026-03-04T00:00", "reason": "secret"}
    rights.editable = ("nightly",)
    assert here.client.post(path, json=body).status_code == 403
    assert here.client.delete(path).status_code == 403
    assert here.client.get(path).json()["may_exempt"] is False
    assert here.client.post("/api/dags/nothing/exemption", json=body).status_code == 404
    rights.editable = None
    elsewhere = {"X-Requested-With": "another-site"}
    assert here.client.post(path, json=body, headers=elsewhere).status_code == 403
    assert here.client.post(path, json=body).status_code == 201
    assert len(here.told()) == 2
    rights.entities = (DagAccessEntity.CODE,)
    assert here.told() == []
    told = here.client.get(path).json()["exemption"]
    assert (told["who"], told["reason"], told["until"]) == (None, None, "2026-03-04T00:00:00Z")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"until": "2026-03-03T11:59", "reason": "why"}, "until"),
        ({"until": "2026-04-04T00:00", "reason": "why"}, "until"),
        ({"until": "soon", "reason": "why"}, "until"),
        ({"until": "2026-03-04T00:00"}, "reason"),
        ({"until": "2026-03-04T00:00", "reason": " \u200b\n"}, "reason"),
        ({"until": "2026-03-04T00:00", "reason": "x" * 301}, "reason"),
        ({"until": "2026-03-04T00:00", "reason": "why", "for_ever": True}, "for_ever"),
    ],
)
def test_what_cannot_be_granted(here: Deployment, body: dict[str, Any], field: str) -> None:
    here.store()
    answer = here.client.post("/api/dags/hourly/exemption", json=body)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["detail"]] == [field]
    assert here.told() == []


def test_there_are_not_too_many(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    here.store()
    monkeypatch.setattr("calendar_timetable.runs.exemption_store.MOST", 1)
    body = {"until": "2026-03-04T00:00", "reason": "why"}
    for dag_id, status in (("hourly", 201), ("nightly", 409), ("hourly", 201)):
        assert here.client.post(f"/api/dags/{dag_id}/exemption", json=body).status_code == status


def test_reasons_are_bounded_and_harmless(here: Deployment) -> None:
    here.store()
    here.trigger("hourly", "=ada", {"ignore_calendar": "=cmd()\r\n\u202e" + "x" * 1000})
    (one,) = here.told()
    assert one["reason"] == ("=cmd() " + "x" * 1000)[:300]
    answer = here.client.get("/api/overrides", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    header, row = csv.reader(io.StringIO(answer.text))
    told = dict(zip(header, row, strict=True))
    assert (told["who"], told["how"], told["reason"][:7]) == ("'=ada", "conf", "'=cmd()")
    assert here.client.get("/api/overrides?format=csv").text == answer.text
    assert here.client.get("/api/overrides?format=json").json()["total_entries"] == 1


def test_pages_of_the_list(here: Deployment) -> None:
    here.store()
    for number in range(3):
        here.clock.shift(timedelta(minutes=1))
        here.trigger("hourly", f"ada{number}", {"ignore_calendar": True})
    answer = here.client.get("/api/overrides?limit=1&offset=1").json()
    assert [one["who"] for one in answer["overrides"]] == ["ada1"]
    assert (answer["total_entries"], answer["truncated"]) == (3, True)
    assert here.said(end="2026-03-03T12:02Z") == [("hourly", "conf", "ada0", None, False)]
    assert here.client.get("/api/overrides?start=1970-01-01").status_code == 422


def test_the_newest_of_too_many_are_told_whole(
    here: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calendar_timetable.runs.overrides.MOST", 2)
    here.store()
    for number in range(5):
        here.clock.shift(timedelta(minutes=1))
        here.trigger("hourly", f"ada{number}", {"ignore_calendar": "late data"})
    assert here.said() == [
        ("hourly", "conf", f"ada{number}", "late data", False) for number in (4, 3)
    ]


def test_what_others_wrote_into_the_variable(here: Deployment) -> None:
    """It counts as far as it can be an exemption, and is listed as nobody's."""
    here.store()
    now = int(TUESDAY.timestamp())
    good = Exemption("hourly", now - 60, now + 3600, "ada", "sneaky")
    long = Exemption("nightly", now - 60, now + 40 * 86400, "ada", "for ever")
    here.session.add(Variable(VARIABLE, encode([good, long])))  # type: ignore[no-untyped-call]
    here.session.commit()
    assert here.said() == [
        ("hourly", "exemption", None, "sneaky (not in Airflow's audit log)", False)
    ]
    assert first_start(here.parse()["hourly"]) == TUESDAY
    for value in ("", "[]", "{", '{"a": 1}', '{"a": {"since": "x"}}', '{"a": null}', "7"):
        assert decode(value) == {}


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "[]",
        '{"since": 1}',
        '{"since": true, "until": 1}',
        '{"since": NaN, "until": NaN}',
        '{"since": -1000000000000000, "until": 4102444800}',
        '{"since": 1, "until": 1e400}',
        pytest.param('{"since": 1, "until": %s}' % ("9" * 400), id="large number"),
        pytest.param('{"since": 1, "until": %s}' % ("9" * 5000), id="long number"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_nobody_could_have_been_granted_is_not_told(here: Deployment, extra: str) -> None:
    here.store()
    here.session.add(Log(event=exemptions.GRANTED, dag_id="hourly", owner="eve", extra=extra))
    here.session.commit()
    assert here.said() == []


def test_without_rules_the_variable_is_not_read(
    here: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr(exemptions, "_read", lambda: read.append(1))
    here.parse()
    assert read == [1], "once for all DAGs of the file"
    monkeypatch.delenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS")
    here.parse()
    assert read == [1]


def test_a_freeze_in_force(
    here: Deployment, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> None:
    def told() -> dict[str, Any]:
        answer = here.client.get("/api/freezes")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    here.clock.move_to(BEGIN - timedelta(hours=25))
    here.store()
    assert told() == {"freezes": [], "reason_required": False}
    here.clock.move_to(BEGIN - timedelta(hours=1))
    (ahead,) = told()["freezes"]
    assert (ahead["in_force"], ahead["start"]) == (False, "2026-03-03T10:00:00Z")
    here.clock.move_to(TUESDAY)
    (freeze,) = told()["freezes"]
    assert freeze == {
        "label": "change_freeze.ics",
        "title": None,
        "start": "2026-03-03T10:00:00Z",
        "end": "2026-03-06T10:00:00Z",
        "in_force": True,
        "dags": 3,
        "exempted": 0,
        "exempt_tags": ["no-freeze"],
        "by_hand": True,
    }
    body = {"until": "2026-03-04T00:00", "reason": "why"}
    assert here.client.post("/api/dags/hourly/exemption", json=body).status_code == 201
    (freeze,) = told()["freezes"]
    assert (freeze["dags"], freeze["exempted"]) == (2, 1)
    monkeypatch.setattr(rights, "get_authorized_dag_ids", lambda **_: {"exempt"})
    assert told()["freezes"] == [], "nothing is told of DAGs that one may not read"
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__REQUIRE_REASON", "maybe")
    assert told()["reason_required"], "gates refuse"


def test_a_rule_in_python_is_told(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ModuleType("airflow_local_settings")
    rule = DeploymentRule(
        Weekly("tue 08:00-20:00", timezone="UTC"), dag_ids=["n*", "h*"], apply_to="all"
    )
    setattr(settings, RULES, [rule])
    monkeypatch.setitem(sys.modules, "airflow_local_settings", settings)
    monkeypatch.delenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS")
    here.store()
    (freeze,) = here.client.get("/api/freezes").json()["freezes"]
    assert (freeze["label"], freeze["dags"], freeze["by_hand"]) == ("tue 08:00-20:00", 2, False)
    assert (freeze["start"], freeze["end"]) == ("2026-03-03T08:00:00Z", "2026-03-03T20:00:00Z")


def test_what_is_exempt_passes_its_gate(here: Deployment) -> None:
    here.store()
    run_id = here.trigger("asset", None, run_type="asset_triggered")
    with pytest.raises(AirflowRescheduleException):
        here.work(run_id)
    body = {"until": "2026-03-04T00:00", "reason": "why"}
    assert here.client.post("/api/dags/asset/exemption", json=body).status_code == 201
    here.parse()
    here.work(run_id)
    here.clock.move_to(utc("2026-03-04T00:00"))
    here.parse()
    here.work(run_id)  # it began while the DAG was exempt
    with pytest.raises(AirflowRescheduleException):
        here.work(here.trigger("asset", None, run_type="asset_triggered"))
