"""gpu_training through the real operator, in a real Airflow.

Holding a worker and deferred, in good and bad weather.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.examples import EXAMPLES
from demo.kubernetes.store import Json
from demo.services import wait_until
from tests.support.examples import GPUS, Examples, Finished, ics, in_a_moment
from tests.support.pods import STAND_IN_IMAGE

EXAMPLE = (EXAMPLES / "gpu_training.py").read_text()
LONG = 1_000_000  # steps
# Of what trains until it is stopped, most of the time is to be left to the others on this machine.
STEPS, UNHURRIED = '"--steps={{ params.steps }}",', '"--pause=0.5",'
MODES = ("sync", "deferrable")
SESSION = uuid.uuid4().hex[:8]  # volumes of a real cluster outlive it
WRITE = (
    "import pathlib, sys; f = pathlib.Path(sys.argv[1]); f.parent.mkdir(parents=True); "
    "f.write_text(sys.argv[2])"
)
READ = "import pathlib, sys; sys.exit(not pathlib.Path(sys.argv[1]).stat().st_size)"


class Training:
    """The example in one of both modes, impatient.

    It saves often, waits for a GPU for seconds, fails at the first try.
    """

    def __init__(self, airflow: Examples, mode: str) -> None:
        self.airflow, self.dag_id = airflow, f"gpu_training_{mode}"
        source = changed(
            ('    "gpu_training",\n', f'    "{self.dag_id}",\n'),
            ("deferrable=True", f"deferrable={mode == 'deferrable'}"),
            ("schedule_timeout_seconds=600", "schedule_timeout_seconds=5"),
            ("default_args=RETRY", 'default_args=RETRY | {"retries": 0}'),
            ("max_active_runs=1", "max_active_runs=9"),
            (STEPS, f'{STEPS} "--save-every=5", {UNHURRIED}'),
        )
        airflow.write_dag(self.dag_id, source)

    def begin(self, name: str, **conf: Any) -> tuple[str, str]:
        return self.airflow.begin(self.dag_id, name=self.name(name), **conf)

    def name(self, name: str) -> str:
        return f"{name}-{self.dag_id.rpartition('_')[2]}-{SESSION}"

    def folder(self, name: str) -> str:
        """Where the checkpoints of a training lie, as pods see it."""
        return f"/checkpoints/{self.name(name)}"

    def pod(self, name: str) -> Any | None:
        """The pod of the training of this name, as long as there is one."""
        return self.airflow.pods.find(self.folder(name))


def changed(*changes: tuple[str, str]) -> str:
    """The example's source, with some words exchanged."""
    source = EXAMPLE
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


@pytest.fixture(scope="module")
def trainings(airflow: Examples) -> Iterator[dict[str, Training]]:
    """Both modes: what they are to show they do at the same time."""
    trainings = {mode: Training(airflow, mode) for mode in MODES}
    yield trainings
    for training in trainings.values():
        airflow.remove_dag(training.dag_id)


@pytest.fixture(params=MODES)
def training(request: pytest.FixtureRequest, trainings: dict[str, Training]) -> Training:
    return trainings[request.param]


@pytest.fixture(scope="module")
def ended(airflow: Examples, trainings: dict[str, Training]) -> dict[Training, dict[str, Finished]]:
    """Three runs at once.

    One that is well, one whose checkpoint is broken, and one that takes too long.
    """
    for each in trainings.values():
        airflow.pods.run(WRITE, f"{each.folder('broken')}/checkpoint.npz", "not a checkpoint")
    begun = {
        each: {
            "well": each.begin("well", steps=20),
            "broken": each.begin("broken", steps=20),
            "long": each.begin("long", steps=LONG, at_most_seconds=30),
        }
        for each in trainings.values()
    }
    return {
        each: {name: airflow.end_of(run) for name, run in runs.items()}
        for each, runs in begun.items()
    }


def test_success(training: Training, ended: dict[Training, dict[str, Finished]]) -> None:
    run = ended[training]["well"]

    assert run.state == "success", run.explain()
    assert run.tasks == {"train": "success"}
    assert "step 20 of 20, loss" in run.logs("train")
    training.airflow.pods.run(READ, f"{training.folder('well')}/model.npz")


def test_failure(training: Training, ended: dict[Training, dict[str, Finished]]) -> None:
    run = ended[training]["broken"]

    assert run.tasks == {"train": "failed"}
    assert "checkpoint.npz is damaged: remove it to begin anew" in run.logs("train")
    training.airflow.chat.hears(f"GPU training failed: {run.run_id}")


def test_nothing_of_the_environment_is_logged(
    training: Training, ended: dict[Training, dict[str, Finished]]
) -> None:
    for run in ended[training].values():
        assert "env_vars" not in run.logs("train")
        assert "kube_config_path" not in run.logs("train")
        assert "'spec': {" not in run.logs("train"), "no specification of the pod"


@pytest.fixture(scope="module")
def resumed(
    airflow: Examples, ended: dict[Training, dict[str, Finished]]
) -> dict[Training, tuple[Finished, int, Finished]]:
    """What was stopped, at which step, and what went on from there."""
    found = {}
    for training, runs in ended.items():
        stopped = runs["long"]
        assert stopped.tasks == {"train": "skipped"}, stopped.explain()
        saved = int(re.findall(r"asked to stop: saved at step (\d+)", stopped.logs("train"))[-1])
        found[training] = stopped, saved, training.begin("long", steps=saved + 5)
    return {
        training: (stopped, saved, airflow.end_of(rest))
        for training, (stopped, saved, rest) in found.items()
    }


def test_deadline(
    training: Training, resumed: dict[Training, tuple[Finished, int, Finished]]
) -> None:
    """A training that is stopped is skipped, and goes on from its checkpoint."""
    stopped, saved, rest = resumed[training]

    assert stopped.state == "success", stopped.explain()
    assert rest.tasks == {"train": "success"}, rest.explain()
    assert f"resuming at step {saved} of {saved + 5}" in rest.logs("train")


@pytest.fixture(scope="module")
def without_gpu(airflow: Examples, trainings: dict[str, Training]) -> dict[Training, Finished]:
    airflow.pods.stand_in("having no GPU left")
    resources = {"limits": {"nvidia.com/gpu": str(GPUS)}}
    with airflow.pods.running(
        "import time; time.sleep(3600)", until="Running", resources=resources
    ):
        begun = {each: each.begin("no-gpu", steps=5) for each in trainings.values()}
        return {each: airflow.end_of(run) for each, run in begun.items()}


def test_no_gpu(training: Training, without_gpu: dict[Training, Finished]) -> None:
    run = without_gpu[training]

    assert run.tasks == {"train": "failed"}
    assert "took too long to be scheduled" in run.logs("train")
    assert "Insufficient nvidia.com/gpu" in run.logs("train")
    assert training.pod("no-gpu") is None, "it does not start some time later, out of its window"


@pytest.fixture(scope="module")
def restarted(airflow: Examples, trainings: dict[str, Training]) -> dict[Training, Finished]:
    """The API server goes away while they train, and comes back.

    Parameters say where one of them runs, and what.
    """
    cluster = airflow.pods.stand_in("losing its API server")
    asked = {"image": f"{STAND_IN_IMAGE}-asked-for", "namespace": "default"}
    confs = {each: asked if mode == "sync" else {} for mode, each in trainings.items()}
    begun = {
        each: each.begin("restart", steps=LONG, at_most_seconds=90, **conf)
        for each, conf in confs.items()
    }

    def at_work(training: Training) -> Json | None:
        """Its pod, once it trains.

        While it is being loaded the operator would wait for no more than 15 seconds.
        """
        wanted = training.folder("restart")
        pods = (pod for pod in cluster.store.find("Pod") if pod["status"].get("phase") == "Running")
        pod = next(
            (
                p
                for p in pods
                if any(wanted in a for a in p["spec"]["containers"][0].get("args", ()))
            ),
            None,
        )
        return pod if pod and "INFO step" in cluster.pods.log(pod).read_text() else None

    pods = [airflow.wait("a training", partial(at_work, each)) for each in trainings.values()]
    made = [(pod["spec"]["containers"][0]["image"], pod["metadata"]["namespace"]) for pod in pods]
    assert made == [(asked["image"], "default"), (airflow.pods.image, airflow.pods.namespace)]
    cluster.stop_api()
    for log in map(cluster.pods.log, pods):
        length = log.stat().st_size
        wait_until("the training to go on without it", partial(longer, log, length))
    cluster.start_api()
    return {each: airflow.end_of(run) for each, run in begun.items()}


def longer(file: Path, length: int) -> bool:
    return file.stat().st_size > length


def test_the_api_server_restarts_in_mid_run(
    training: Training, restarted: dict[Training, Finished]
) -> None:
    run = restarted[training]

    assert run.tasks == {"train": "skipped"}, run.explain()
    assert "asked to stop: saved at step" in run.logs("train"), "followed to its end"


class Window:
    """The example with a calendar of windows of its own, running by itself.

    Begun while the tests before it go on.
    """

    dag_id = "gpu_training_window"

    def __init__(self, airflow: Examples, calendar: Path) -> None:
        self.airflow, self._calendar = airflow, calendar
        self._windows: list[tuple[str, datetime, datetime]] = []

    @property
    def closes(self) -> datetime:
        return self._windows[-1][2]

    def open(self, opens: datetime, closes: datetime, *, steps: int) -> None:
        """A window more; the run that it asks for trains this many steps."""
        self._windows.append(("Window", opens, closes))
        self._calendar.write_bytes(ics(self._windows))
        schedule = (
            f'CalendarTimetable(Calendar("{self._calendar}"), windows=Calendar("{self._calendar}"))'
        )
        start, end = EXAMPLE.index("CalendarTimetable(\n"), EXAMPLE.index("    params={")
        source = changed(
            (EXAMPLE[start:end], f"{schedule},\n"),
            ('    "gpu_training",\n', f'    "{self.dag_id}",\n'),
            (
                '"name": Param(\n            None',
                f'"name": Param(\n            "window-{SESSION}"',
            ),
            ("Param(300,", f"Param({steps},"),
            (STEPS, f"{STEPS} {UNHURRIED}"),
            ("is_paused_upon_creation=True", "is_paused_upon_creation=False"),
        )
        self.airflow.write_dag(self.dag_id, source)

    def ended(self, number: int) -> Finished:
        """The run of this number, from 1, once it has ended."""

        def look() -> Finished | None:
            ended = [
                run for run in self.airflow.runs(self.dag_id) if run.state in ("success", "failed")
            ]
            return (
                Finished(self.airflow, self.dag_id, ended[-1].run_id, ended[-1].state)
                if len(ended) == number
                else None
            )

        return self.airflow.wait(f"run {number} in a window", look, seconds=600)


@pytest.fixture(scope="module", autouse=True)
def window(airflow: Examples, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    window = Window(airflow, tmp_path_factory.mktemp("window") / "windows.ics")
    opens = in_a_moment(30)
    window.open(opens, opens + timedelta(seconds=90), steps=LONG)
    yield window
    airflow.remove_dag(window.dag_id)


def test_the_pod_ends_with_the_window(airflow: Examples, window: Window) -> None:
    """A scheduled run: stopped at the window's end, skipped, and continued in the next window."""
    first = window.ended(1)
    assert first.tasks == {"train": "skipped"}, first.explain()
    assert "asked to stop: saved at step" in first.logs("train")
    row = airflow.rows("SELECT end_date FROM task_instance WHERE dag_id = 'gpu_training_window'")[0]
    assert str(row["end_date"]) >= f"{window.closes:%Y-%m-%d %H:%M:%S}", (
        "not before the window's end"
    )

    opens = in_a_moment(15)
    window.open(opens, opens + timedelta(hours=1), steps=1)
    second = window.ended(2)
    assert second.tasks == {"train": "success"}, second.explain()
    assert re.search(r"resuming at step \d+ of 1\b", second.logs("train"))


@pytest.fixture(scope="module", autouse=True)
def queued(airflow: Examples) -> tuple[str, str] | None:
    """A training in Kueue's queue that will be stopped; begun while the tests before it go on."""
    if not airflow.pods.has("KUEUE"):
        return None
    return airflow.begin(
        "gpu_training_kueue", name=f"queued-{SESSION}", steps=LONG, at_most_seconds=40
    )


def test_kueue(airflow: Examples, queued: tuple[str, str] | None) -> None:
    """One Job at a time, as the queue's quota says.

    One that is stopped is skipped, and the next goes on from there.
    """
    if queued is None:
        pytest.skip(
            "a real cluster is asked: set KUEUE where it has Kueue, and a LocalQueue gpu-queue"
        )
    stopped = airflow.end_of(queued)
    assert stopped.tasks == {"submit": "success", "wait": "skipped"}, stopped.explain()
    saved = int(re.findall(r"out of time: saved at step (\d+)", stopped.logs("wait"))[-1])

    rest = airflow.run("gpu_training_kueue", name=f"queued-{SESSION}", steps=saved + 5)
    assert rest.tasks == {"submit": "success", "wait": "success"}, rest.explain()
    assert f"resuming at step {saved} of {saved + 5}" in rest.logs("wait")
