"""gpu_training through the real operator, in a real Airflow: holding a worker and deferred, in good and in bad weather."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.examples import EXAMPLES
from demo.kubernetes.store import Json
from demo.services import wait_until
from tests.examples.conftest import GPUS, Examples, Finished, ics, in_a_moment

EXAMPLE = (EXAMPLES / "gpu_training.py").read_text()
LONG = 1_000_000  # steps


class Training:
    """The example in one of both modes, impatient: it waits for a GPU for seconds only, and fails at the first try."""

    def __init__(self, airflow: Examples, mode: str) -> None:
        self.airflow, self.dag_id = airflow, f"gpu_training_{mode}"
        source = changed(
            ('    "gpu_training",\n', f'    "{self.dag_id}",\n'),
            ("deferrable=True", f"deferrable={mode == 'deferrable'}"),
            ("schedule_timeout_seconds=600", "schedule_timeout_seconds=5"),
            ("default_args=RETRY", 'default_args=RETRY | {"retries": 0}'),
            ("max_active_runs=1", "max_active_runs=9"),
        )
        airflow.write_dag(self.dag_id, source)

    def begin(self, name: str, **conf: Any) -> tuple[str, str]:
        return self.airflow.begin(self.dag_id, name=self.name(name), **conf)

    def name(self, name: str) -> str:
        return f"{name}-{self.dag_id.rpartition('_')[2]}"

    def folder(self, name: str) -> Path:
        """Where the checkpoints of a training lie."""
        return self.airflow.cluster.volume("checkpoints") / self.name(name)

    def pod(self, name: str) -> Json | None:
        """The pod of the training of this name, as long as there is one."""
        wanted = f"/checkpoints/{self.name(name)}"
        pods = self.airflow.cluster.store.find("Pod")
        return next((p for p in pods if any(wanted in a for a in p["spec"]["containers"][0].get("args", ()))), None)

    def wait_until_running(self, name: str) -> None:
        def running() -> bool:
            pod = self.pod(name)
            return pod is not None and pod["status"]["phase"] == "Running"

        self.airflow.wait(f"the pod of {name} to run", running, seconds=120)


def changed(*changes: tuple[str, str]) -> str:
    """The example's source, with some words exchanged."""
    source = EXAMPLE
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


@pytest.fixture(scope="module", params=["sync", "deferrable"])
def training(request: pytest.FixtureRequest, airflow: Examples) -> Iterator[Training]:
    training = Training(airflow, request.param)
    yield training
    airflow.remove_dag(training.dag_id)


@pytest.fixture(scope="module")
def ended(training: Training) -> dict[str, Finished]:
    """Three runs at once: one that is well, one whose checkpoint is broken, and one that takes too long."""
    training.folder("broken").mkdir(parents=True)
    (training.folder("broken") / "checkpoint.npz").write_bytes(b"not a checkpoint")
    begun = {
        "well": training.begin("well", steps=20),
        "broken": training.begin("broken", steps=20),
        "long": training.begin("long", steps=LONG, at_most_seconds=20),
    }
    return {name: training.airflow.end_of(run) for name, run in begun.items()}


def test_success(training: Training, ended: dict[str, Finished]) -> None:
    run = ended["well"]

    assert run.state == "success", run.explain()
    assert run.tasks == {"train": "success"}
    assert "step 20 of 20, loss" in run.logs("train")
    assert (training.folder("well") / "model.npz").exists()


def test_failure(ended: dict[str, Finished]) -> None:
    run = ended["broken"]

    assert run.tasks == {"train": "failed"}
    assert "checkpoint.npz is damaged: remove it to begin anew" in run.logs("train")


def test_deadline(training: Training, ended: dict[str, Finished]) -> None:
    """A training that is stopped is skipped, and goes on from its checkpoint."""
    run = ended["long"]

    assert run.state == "success", run.explain()
    assert run.tasks == {"train": "skipped"}
    saved = int(re.findall(r"asked to stop: saved at step (\d+)", run.logs("train"))[-1])

    rest = training.airflow.end_of(training.begin("long", steps=saved + 5))

    assert rest.tasks == {"train": "success"}, rest.explain()
    assert f"resuming at step {saved} of {saved + 5}" in rest.logs("train")


def test_no_gpu(training: Training) -> None:
    with all_gpus_taken(training.airflow):
        run = training.airflow.end_of(training.begin("no-gpu", steps=5))

    assert run.tasks == {"train": "failed"}
    assert "took too long to be scheduled" in run.logs("train")
    assert "Insufficient nvidia.com/gpu" in run.logs("train")
    assert training.pod("no-gpu") is None, "it does not start some time later, out of its window"


def test_the_api_server_restarts_in_mid_run(training: Training) -> None:
    begun = training.begin("restart", steps=LONG, at_most_seconds=60)
    training.wait_until_running("restart")
    cluster = training.airflow.cluster

    cluster.stop_api()
    pod = training.pod("restart")
    assert pod is not None
    log = cluster.pods.log(pod)
    length = log.stat().st_size
    wait_until("the training to go on without it", lambda: log.stat().st_size > length, seconds=60)
    cluster.start_api()

    run = training.airflow.end_of(begun)
    assert run.tasks == {"train": "skipped"}, run.explain()
    assert "asked to stop: saved at step" in run.logs("train"), "followed to its end"


def test_nothing_of_the_environment_is_logged(ended: dict[str, Finished]) -> None:
    for run in ended.values():
        assert "env_vars" not in run.logs("train")
        assert "kube_config_path" not in run.logs("train")
        assert "'spec': {" not in run.logs("train"), "no specification of the pod"


def test_the_pod_ends_with_the_window(airflow: Examples, tmp_path: Path) -> None:
    """A scheduled run: stopped at the window's end, skipped, and continued in the next window."""
    calendar = tmp_path / "windows.ics"
    opens = in_a_moment(45)
    closes, again = opens + timedelta(seconds=60), opens + timedelta(seconds=100)
    calendar.write_bytes(ics([("Window", opens, closes), ("Window", again, again + timedelta(hours=1))]))
    start, end = EXAMPLE.index("    schedule=CalendarTimetable("), EXAMPLE.index("    params={")
    schedule = f'    schedule=CalendarTimetable(Calendar("{calendar}"), windows=Calendar("{calendar}")),\n'

    def source(steps: int) -> str:
        return (
            (EXAMPLE[:start] + schedule + EXAMPLE[end:])
            .replace('    "gpu_training",\n', '    "gpu_training_window",\n')
            .replace("Param(300,", f"Param({steps},")
            .replace("is_paused_upon_creation=True", "is_paused_upon_creation=False")
        )

    airflow.write_dag("gpu_training_window", source(LONG))
    airflow.wait_for_dag("gpu_training_window")
    [first] = airflow.wait("the window's run", ended_runs(airflow, 1), seconds=600)
    assert first.tasks == {"train": "skipped"}, first.explain()
    assert "asked to stop: saved at step" in first.logs("train")
    row = airflow.rows("SELECT end_date FROM task_instance WHERE dag_id = 'gpu_training_window'")[0]
    assert str(row["end_date"]) >= f"{closes:%Y-%m-%d %H:%M:%S}", "not before the window's end"

    airflow.write_dag("gpu_training_window", source(1))
    _, second = airflow.wait("the next window's run", ended_runs(airflow, 2), seconds=600)
    assert second.tasks == {"train": "success"}, second.explain()
    assert re.search(r"resuming at step \d+ of 1\b", second.logs("train"))
    airflow.remove_dag("gpu_training_window")


def ended_runs(airflow: Examples, count: int) -> Callable[[], list[Finished]]:
    def look() -> list[Finished]:
        runs = [r for r in airflow.runs("gpu_training_window") if r.state in ("success", "failed")]
        found = [Finished(airflow, "gpu_training_window", run.run_id, run.state) for run in runs]
        return found if len(found) >= count else []

    return look


def test_kueue(airflow: Examples) -> None:
    """One Job at a time, as the queue's quota says; one that is stopped is skipped, and the next goes on from there."""
    stopped = airflow.run("gpu_training_kueue", name="queued", steps=LONG, at_most_seconds=30)
    assert stopped.tasks == {"submit": "success", "wait": "skipped"}, stopped.explain()
    saved = int(re.findall(r"out of time: saved at step (\d+)", stopped.logs("wait"))[-1])

    rest = airflow.run("gpu_training_kueue", name="queued", steps=saved + 5)
    assert rest.tasks == {"submit": "success", "wait": "success"}, rest.explain()
    assert f"resuming at step {saved} of {saved + 5}" in rest.logs("wait")


@contextmanager
def all_gpus_taken(airflow: Examples) -> Iterator[None]:
    from kubernetes import client, config

    with config.new_client_from_config(str(airflow.cluster.kubeconfig)) as api:
        pods = client.CoreV1Api(api)
        container = {
            "name": "base",
            "image": "registry.example.com/trainer:1",
            "command": ["python", "-c", "import time; time.sleep(3600)"],
            "resources": {"limits": {"nvidia.com/gpu": str(GPUS)}},
        }
        spec = {"restartPolicy": "Never", "tolerations": [{"operator": "Exists"}], "containers": [container]}
        pods.create_namespaced_pod("default", {"metadata": {"name": "greedy"}, "spec": spec})

        def phase() -> str:
            return str(pods.read_namespaced_pod("greedy", "default").status.phase)

        wait_until("all GPUs to be taken", lambda: phase() == "Running", seconds=120)
        try:
            yield
        finally:
            pods.delete_namespaced_pod("greedy", "default", grace_period_seconds=0)
