"""A real Airflow with all example DAGs, and what can be done with it."""

from __future__ import annotations

import json
import shutil
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.examples import EXAMPLES, IMPORTS, ExampleServices
from tests.support.chat import Chat
from tests.support.ics import feed
from tests.support.ics_origin import event
from tests.support.pods import PodCluster
from tests.support.stack import Stack
from tests.support.statsd import StatsdServer

GPUS = 8
PATIENT = {  # training keeps both cores busy; a task that is slow to say that it lives is not lost
    "AIRFLOW__CORE__PARALLELISM": "9",  # most wait for pods
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "60",
    # Or once a file is touched, but not while it is read
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
}


class Examples(Stack):
    """An Airflow whose DAG folder holds the examples."""

    def __init__(self, home: Path, services: ExampleServices, calendar: Path) -> None:
        super().__init__(home)
        self.imports = IMPORTS
        shutil.copytree(
            EXAMPLES, self.dags, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
        self._read_calendars_often()
        self.backing, self.pods, self.calendar = services, PodCluster(services.cluster), calendar
        self.chat, self.statsd = Chat(), StatsdServer(only="weekly_retraining")
        self.env |= PATIENT | services.settings | self.pods.settings
        self.env |= {
            "TEAM_CALENDAR": str(calendar),
            "AIRFLOW_CONN_TEAM_CHAT": json.dumps(
                {"conn_type": "http", "password": self.chat.address}
            ),
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.statsd.port),
        }

    def _read_calendars_often(self) -> None:
        """Let watchers read the calendar every five seconds.

        A watcher looks at it as often as it is read: otherwise every five minutes.
        """
        shared = self.dags / "calendar_examples" / "__init__.py"
        source = shared.read_text()
        often = source.replace("match=match)", "match=match, refresh=timedelta(seconds=5))")
        assert often != source
        shared.write_text(
            often.replace("import os\n", "import os\nfrom datetime import timedelta\n", 1)
        )

    def stop(self) -> None:
        super().stop()
        self.chat.close()
        self.statsd.close()

    def plan(self, titles: list[tuple[str, datetime]]) -> None:
        """Have the team's calendar say that these begin then.

        Nothing heavy is to start by itself now.
        """
        now = in_a_moment(0)
        closed = (
            "Release freeze, and maintenance",
            now - timedelta(days=40),
            now + timedelta(days=10),
        )
        events = [closed, *((title, at, at + timedelta(minutes=10)) for title, at in titles)]
        draft = self.calendar.with_suffix(".draft")
        draft.write_bytes(ics(events))
        draft.replace(self.calendar)
        self.read_again()

    def read_again(self) -> None:
        """Have the DAG processor read the examples now, and the calendar with them."""
        for file in self.dags.glob("*.py"):
            file.touch()

    def run(
        self,
        dag_id: str,
        *,
        seconds: float = 600,
        logical_date: datetime | None = None,
        **conf: Any,
    ) -> Finished:
        """Start a run by hand, and wait for its end."""
        return self.end_of(self.begin(dag_id, logical_date=logical_date, **conf), seconds=seconds)

    def begin(
        self, dag_id: str, *, logical_date: datetime | None = None, **conf: Any
    ) -> tuple[str, str]:
        self.unpause(dag_id)
        run_id = f"by_hand_{uuid.uuid4().hex[:8]}"
        date = logical_date and logical_date.isoformat()
        self.post(f"/api/v2/dags/{dag_id}/dagRuns", dag_run_id=run_id, logical_date=date, conf=conf)
        return dag_id, run_id

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run; most examples wait to be asked."""
        self.wait_for_dag(dag_id)
        self.patch(f"/api/v2/dags/{dag_id}", is_paused=False)

    def end_of(self, begun: tuple[str, str], *, seconds: float = 600) -> Finished:
        dag_id, run_id = begun

        def ended() -> str | None:
            [run] = self.rows(
                "SELECT state FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id",
                dag_id=dag_id,
                run_id=run_id,
            )
            return str(run["state"]) if run["state"] in ("success", "failed") else None

        return Finished(
            self, dag_id, run_id, self.wait(f"{dag_id} {run_id} to end", ended, seconds=seconds)
        )


class Finished:
    """A run that has ended."""

    def __init__(self, airflow: Examples, dag_id: str, run_id: str, state: str) -> None:
        self._airflow, self.dag_id, self.run_id, self.state = airflow, dag_id, run_id, state

    @property
    def _path(self) -> str:
        return f"/api/v2/dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances"

    @property
    def tasks(self) -> dict[str, str]:
        """State by task; a mapped task's by "task[0]"."""
        rows = self._airflow.get(self._path, limit=1000)["task_instances"]
        return {
            row["task_id"] + (f"[{row['map_index']}]" if row["map_index"] >= 0 else ""): str(
                row["state"]
            )
            for row in rows
        }

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        path = f"{self._path}/{task_id}/xcomEntries/{key}"
        return self._airflow.get(path, map_index=map_index)["value"]

    def xcoms(self, task_id: str) -> list[Any]:
        """Return what each of a mapped task's instances has returned."""
        count = sum(name.startswith(f"{task_id}[") for name in self.tasks)
        return [self.xcom(task_id, map_index=index) for index in range(count)]

    def all_xcoms(self) -> list[tuple[str, Any]]:
        """Return what every task has handed on, with the task's id."""
        entries = self._airflow.get(f"{self._path}/~/xcomEntries", limit=1000)["xcom_entries"]
        return [
            (one["task_id"], self.xcom(one["task_id"], one["key"], one["map_index"]))
            for one in entries
        ]

    def logs(self, task_id: str) -> str:
        """All that the tries of a task have written."""
        folder = self._airflow.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        return "\n".join(
            file.read_text(errors="replace")
            for file in sorted(folder.glob(f"task_id={task_id}/**/*.log*"))
        )

    def explain(self) -> str:
        """For a test that failed: the states, and the last words of the tasks that did."""
        states = self.tasks
        bad = [name for name, state in states.items() if state in ("failed", "up_for_retry")]
        said = "\n".join(
            f"----- {name}\n{self.logs(name.partition('[')[0])[-3000:]}" for name in bad
        )
        return f"{self.dag_id} {self.run_id}: {self.state} {states}\n{said}"


def ics(events: list[tuple[str, datetime, datetime]]) -> bytes:
    """Return a calendar with these events: title, start, end."""
    return feed(
        *(event(f"e{n}", start, end, title) for n, (title, start, end) in enumerate(events))
    )


def in_a_moment(seconds: int) -> datetime:
    """Return the moment *seconds* from now, in UTC."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
