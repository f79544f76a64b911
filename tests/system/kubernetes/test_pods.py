"""Pods that run, end, wait and are ended; asked through the client that Airflow's operators use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from demo.services import wait_until
from tests.support.cluster_client import Asked

GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
HOLD = "import time; print('held', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {HOLD}"
POLITE = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *a: sys.exit(75)); {HOLD}"


def test_a_pod_runs_and_is_read(asked: Asked) -> None:
    program = "import os; print('one'); print(os.environ['GREETING'], os.getcwd() != '/')"
    pod = asked.pod("reads", program, container={"env": [{"name": "GREETING", "value": "hello"}]})
    create(asked, pod)

    ended = until(asked, "reads", lambda pod: pod.status.phase == "Succeeded")

    [container] = ended.status.container_statuses
    assert container.state.terminated.exit_code == 0
    assert log(asked, "reads", follow=True) == "one\nhello True\n"
    stamped = log(asked, "reads", timestamps=True).splitlines()
    assert [line.partition("Z ")[2] for line in stamped] == ["one", "hello True"]
    delete(asked, "reads")


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [("raise SystemExit(3)", 3, "Error"), ("import os; os.kill(os.getpid(), 9)", 137, "Error")],
)
def test_failure(asked: Asked, program: str, code: int, reason: str) -> None:
    create(asked, asked.pod("fails", program))

    ended = until(asked, "fails", lambda pod: pod.status.phase == "Failed")

    assert ended.status.container_statuses[0].state.terminated.exit_code == code
    assert ended.status.container_statuses[0].state.terminated.reason == reason
    delete(asked, "fails")


@pytest.mark.parametrize(
    ("program", "code"), [(POLITE, 75), (STUBBORN, 137)], ids=["polite", "stubborn"]
)
def test_deadline(asked: Asked, program: str, code: int) -> None:
    create(
        asked, asked.pod("late", program, activeDeadlineSeconds=2, terminationGracePeriodSeconds=1)
    )

    ended = until(asked, "late", lambda pod: pod.status.phase == "Failed")

    assert ended.status.reason == "DeadlineExceeded"
    assert ended.status.container_statuses[0].state.terminated.exit_code == code
    delete(asked, "late")


def test_a_pod_waits_for_a_gpu(asked: Asked) -> None:
    asked.cluster()
    create(asked, asked.pod("first", HOLD, container=GPU))
    until(asked, "first", lambda pod: pod.status.phase == "Running")
    create(asked, asked.pod("second", "print('mine')", container=GPU))

    waiting = until(asked, "second", lambda pod: pod.status.conditions)
    assert waiting.status.phase == "Pending"
    assert waiting.status.conditions[0].reason == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in waiting.status.conditions[0].message
    assert "FailedScheduling" in reasons(asked, "second")

    delete(asked, "first")
    until(asked, "second", lambda pod: pod.status.phase == "Succeeded")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            {"tolerations": [], "container": GPU},
            (
                "1 node(s) had untolerated taint {nvidia.com/gpu: present}, 1 Insufficient "
                "nvidia.com/gpu"
            ),
        ),
        (
            {"nodeSelector": {"gpu": "h100"}},
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector",
        ),
    ],
)
def test_unschedulable(asked: Asked, spec: dict[str, Any], words: str) -> None:
    asked.cluster()
    create(asked, asked.pod("nowhere", "print()", **spec))

    assert (
        words
        in until(asked, "nowhere", lambda pod: pod.status.conditions).status.conditions[0].message
    )
    delete(asked, "nowhere")


def test_an_unknown_image_is_not_pulled(asked: Asked) -> None:
    create(
        asked, asked.pod("image", "print()", container={"image": "registry.example.invalid/none:1"})
    )

    waiting = until(asked, "image", lambda pod: pod.status.container_statuses and waits(pod))
    assert waiting.status.phase == "Pending"
    delete(asked, "image")


def waits(pod: Any) -> bool:
    state = pod.status.container_statuses[0].state.waiting
    return bool(state) and state.reason in ("ErrImagePull", "ImagePullBackOff")


def test_deleting_ends_the_process(asked: Asked) -> None:
    create(asked, asked.pod("deleted", STUBBORN))
    until(asked, "deleted", lambda pod: pod.status.phase == "Running")

    asked.client.delete_namespaced_pod("deleted", asked.namespace, grace_period_seconds=1)
    wait_until("the pod to be gone", lambda: "deleted" not in names(asked))


def test_volumes_outlive_pods(asked: Asked) -> None:
    cluster = asked.cluster()
    volumes = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "models"}}]}
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}], "args": ["/data/note"]}
    create(
        asked,
        asked.pod(
            "writes", "import sys; open(sys.argv[1], 'w').write('kept')", container=mount, **volumes
        ),
    )
    until(asked, "writes", lambda pod: pod.status.phase == "Succeeded")
    delete(asked, "writes")

    assert (cluster.volume("models") / "note").read_text() == "kept"


def test_the_api_server_comes_back_and_pods_ran_on(asked: Asked) -> None:
    cluster = asked.cluster()
    create(
        asked,
        asked.pod("survives", "import time; print('a', flush=True); time.sleep(1); print('b')"),
    )
    until(asked, "survives", lambda pod: pod.status.phase == "Running")

    cluster.stop_api()
    with pytest.raises(Exception, match="refused"):
        asked.client.read_namespaced_pod("survives", asked.namespace)
    cluster.start_api()

    until(asked, "survives", lambda pod: pod.status.phase == "Succeeded")
    assert log(asked, "survives") == "a\nb\n"


def test_selectors(asked: Asked) -> None:
    for name, labels in {"a": {"run": "1", "task": "train"}, "b": {"run": "2"}}.items():
        pod = asked.pod(f"select-{name}", "print()")
        pod["metadata"]["labels"] = labels | {"test": "selectors"}
        create(asked, pod)

    def chosen(selector: str) -> list[str]:
        listed = asked.client.list_namespaced_pod(
            asked.namespace, label_selector=f"test=selectors,{selector}"
        )
        return [pod.metadata.name.removeprefix("select-") for pod in listed.items]

    assert chosen("run=1") == ["a"]
    assert chosen("run!=1") == ["b"]
    assert chosen("task") == ["a"]
    assert chosen("!task") == ["b"]
    assert chosen("run in (2, 3)") == ["b"]
    asked.client.patch_namespaced_pod(
        "select-b", asked.namespace, {"metadata": {"labels": {"checked": "True"}}}
    )
    assert chosen("checked=True") == ["b"]
    for name in ("select-a", "select-b"):
        delete(asked, name)


def test_watching_events(asked: Asked) -> None:
    from kubernetes import watch

    seen: list[str] = []

    def look() -> None:
        for event in watch.Watch().stream(
            asked.client.list_namespaced_event,
            asked.namespace,
            field_selector="involvedObject.name=watched",
            timeout_seconds=30,
        ):
            seen.append(event["object"].reason)
            if event["object"].reason == "Started":
                return

    looking = threading.Thread(target=look)
    looking.start()
    create(asked, asked.pod("watched", "print()"))
    looking.join(60)
    assert seen[-1] == "Started"
    delete(asked, "watched")


@pytest.mark.parametrize(
    ("program", "condition"), [("print()", "Complete"), ("raise SystemExit(1)", "Failed")]
)
def test_jobs(asked: Asked, program: str, condition: str) -> None:
    asked.batch.create_namespaced_job(asked.namespace, job(asked, "once", program))

    assert condition in wait_until("the Job to end", lambda: conditions(asked, "once"))
    asked.batch.delete_namespaced_job("once", asked.namespace, propagation_policy="Background")
    wait_until("its pods to go", lambda: not [n for n in names(asked) if n.startswith("once-")])


def test_kueue_admits_a_job_when_its_queue_has_room(asked: Asked) -> None:
    asked.cluster()
    for name, program in {"holds": HOLD, "waits": "print()"}.items():
        asked.batch.create_namespaced_job(
            asked.namespace, job(asked, name, program, queue="gpu-queue")
        )
    wait_until("the first to run", lambda: [n for n in names(asked) if n.startswith("holds-")])
    assert asked.batch.read_namespaced_job("waits", asked.namespace).spec.suspend is True

    asked.batch.delete_namespaced_job("holds", asked.namespace, propagation_policy="Background")
    assert wait_until("the second to run", lambda: conditions(asked, "waits")) == ["Complete"]


@pytest.mark.parametrize(
    ("step", "what"),
    [
        pytest.param("create", "Job", id="the Job, while its pod is made"),
        pytest.param("update", "Job", id="the Job, while its pod is given to a node"),
        pytest.param("update", "Pod", id="the pod, while it is given to a node"),
    ],
)
def test_what_is_deleted_in_the_midst_of_a_step_holds_nothing(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, step: str, what: str
) -> None:
    store = asked.cluster().store
    inner = getattr(store, step)
    gone = threading.Event()

    def interrupted(kind: str, namespace: str, *rest: Any) -> Any:
        if kind == "Pod" and not gone.is_set():
            gone.set()
            held = store.find(what)[0]["metadata"]["name"]
            store.delete(what, namespace, held)
        return inner(kind, namespace, *rest)

    monkeypatch.setattr(store, step, interrupted)
    if what == "Job":
        asked.batch.create_namespaced_job(
            asked.namespace, job(asked, "holds", HOLD, queue="gpu-queue")
        )
    else:
        create(asked, asked.pod("holds", HOLD, container=GPU))
    assert gone.wait(30)

    asked.batch.create_namespaced_job(
        asked.namespace, job(asked, "waits", "print()", queue="gpu-queue")
    )
    assert wait_until("the other to run", lambda: conditions(asked, "waits")) == ["Complete"]
    assert [name for name in names(asked) if name.startswith("holds")] == []


def test_an_unknown_queue_admits_nothing(asked: Asked) -> None:
    cluster = asked.cluster()
    asked.batch.create_namespaced_job(
        asked.namespace, job(asked, "lost", "print()", queue="no-such-queue")
    )
    asked.batch.create_namespaced_job(
        asked.namespace, job(asked, "found", "print()", queue="gpu-queue")
    )

    wait_until("the other to end", lambda: conditions(asked, "found"))
    assert asked.batch.read_namespaced_job("lost", asked.namespace).spec.suspend is True
    assert [
        event["reason"]
        for event in cluster.store.find("Event", labels="", fields="involvedObject.name=lost")
    ] == []


def test_a_name_is_taken_once_and_namespaces_are_real(asked: Asked) -> None:
    from kubernetes.client import ApiException

    create(asked, asked.pod("unique", HOLD))
    with pytest.raises(ApiException) as taken:
        create(asked, asked.pod("unique", HOLD))
    assert taken.value.status == 409
    with pytest.raises(ApiException) as nowhere:
        asked.client.create_namespaced_pod("no-such-namespace", asked.pod("x", "print()"))
    assert nowhere.value.status == 404
    delete(asked, "unique")


def job(asked: Asked, name: str, program: str, queue: str | None = None) -> dict[str, Any]:
    template = asked.pod("unused", program, container=GPU if queue else {})
    labels = {"kueue.x-k8s.io/queue-name": queue} if queue else {}
    spec = {"backoffLimit": 0, "suspend": bool(queue), "template": {"spec": template["spec"]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def create(asked: Asked, pod: dict[str, Any]) -> None:
    asked.client.create_namespaced_pod(asked.namespace, pod)


def delete(asked: Asked, name: str) -> None:
    asked.client.delete_namespaced_pod(name, asked.namespace, grace_period_seconds=0)
    wait_until("the pod to be gone", lambda: name not in names(asked))


def log(asked: Asked, name: str, **options: Any) -> str:
    answer = asked.client.read_namespaced_pod_log(
        name, asked.namespace, _preload_content=False, **options
    )
    text: str = answer.data.decode()
    return text


def names(asked: Asked) -> list[str]:
    return [pod.metadata.name for pod in asked.client.list_namespaced_pod(asked.namespace).items]


def reasons(asked: Asked, name: str) -> list[str]:
    listed = asked.client.list_namespaced_event(
        asked.namespace, field_selector=f"involvedObject.name={name}"
    )
    return [event.reason for event in listed.items]


def conditions(asked: Asked, name: str) -> list[str]:
    found = asked.batch.read_namespaced_job(name, asked.namespace).status.conditions or ()
    return [condition.type for condition in found if condition.status == "True"]


def until(asked: Asked, name: str, check: Callable[[Any], object]) -> Any:
    """The pod, once *check* is true of it."""

    def look() -> Any:
        pod = asked.client.read_namespaced_pod(name, asked.namespace)
        return pod if check(pod) else None

    return wait_until(f"pod {name}", look, seconds=60, every=0.1)
