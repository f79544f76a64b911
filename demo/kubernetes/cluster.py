"""The cluster: its parts put together, and its scheduler, which gives pods to nodes."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from demo.kubernetes.events import record_event
from demo.kubernetes.jobs import Jobs
from demo.kubernetes.pods import Pods
from demo.kubernetes.server import Api
from demo.kubernetes.store import Json, Store, timestamp
from demo.kubernetes.validation import quantity

GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Node:
    """A machine to run pods on, in name: what it has, how it is marked, and whom it keeps off."""

    name: str
    capacity: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()  # key, value, effect


def gpu_node(gpus: int = 1) -> Node:
    """Return a node that is marked and tainted as NVIDIA's operator and the clouds do it."""
    capacity = {"cpu": "64", "memory": "256Gi", GPU: str(gpus)}
    return Node(
        "gpu", capacity, {"nvidia.com/gpu.present": "true"}, ((GPU, "present", "NoSchedule"),)
    )


CPU_NODE = Node("cpu", {"cpu": "64", "memory": "256Gi", GPU: "0"})


class Cluster:
    """A running cluster with its state in ``folder``; ends everything it started on exit.

    :param images: what each image holds, without its tag: the folder its processes run in.
    :param environment: what the images set in the environment.
    :param queues: Kueue's LocalQueues: how much of each resource their Jobs may hold together.
    :param host: the address of this machine where its API is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        images: Mapping[str, Path],
        environment: Mapping[str, str] | None = None,
        nodes: Sequence[Node] | None = None,
        namespaces: tuple[str, ...] = ("default", "training"),
        queues: Mapping[str, Mapping[str, int]] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.nodes = (gpu_node(), CPU_NODE) if nodes is None else nodes
        self.store = Store()
        self._token = secrets.token_hex()
        self.kubeconfig = folder / "kubeconfig.yaml"
        self._volumes = folder / "volumes"
        self.pods = Pods(self.store, images, environment or {}, self.volume, folder / "pods")
        self._jobs = Jobs(self.store, self.pods, queues or {})
        self._api = Api(self.store, self.pods, namespaces=namespaces, token=self._token, host=host)
        self._ending = threading.Event()
        self._controller = threading.Thread(
            target=self._control, name="kubernetes-controller", daemon=True
        )
        for part in (folder, self._volumes, folder / "pods"):
            part.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Cluster:
        self._api.start()
        self.kubeconfig.write_text(json.dumps(self.access()))  # JSON is YAML
        self.kubeconfig.chmod(0o600)
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        if self._controller.ident is not None:
            self._controller.join()
        self._api.stop()
        self.pods.kill_all()

    def stop_api(self) -> None:
        """Take the API server away, and every connection to it.

        Pods run on, as they do on a real node.
        """
        self._api.stop()

    def start_api(self) -> None:
        """Bring it back at the same address."""
        self._api.start()

    def volume(self, claim: str) -> Path:
        """Return the folder that a PersistentVolumeClaim stands for."""
        folder = self._volumes / claim
        folder.mkdir(exist_ok=True)
        return folder

    def access(self) -> Json:
        """Return a kubeconfig."""
        names = {"cluster": "local", "user": "airflow"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": {"server": self._api.address}}],
            "users": [{"name": "airflow", "user": {"token": self._token}}],
            "contexts": [{"name": "local", "context": {**names, "namespace": "default"}}],
            "current-context": "local",
        }

    def _control(self) -> None:
        while not self._ending.is_set():
            version = self.store.version
            self._jobs.reconcile()
            for pod in self.store.find("Pod"):
                if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
                    with contextlib.suppress(KeyError):  # deleted meanwhile
                        self._schedule(pod)
            self.pods.enforce_deadlines(datetime.now(UTC))
            self.store.changes("Pod", version, 0.2)

    def _schedule(self, pod: Json) -> None:
        """Give the pod to a node, or say why it has to wait."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        reasons = {node.name: self._why_not(pod["spec"], node) for node in self.nodes}
        if node := next((name for name, why in reasons.items() if why is None), None):

            def bind(bound: Json) -> None:
                bound["spec"]["nodeName"] = node
                bound["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
                bound["status"]["startTime"] = timestamp()

            pod = self.store.update("Pod", namespace, name, bind)
            record_event(
                self.store,
                pod,
                "Normal",
                "Scheduled",
                f"Successfully assigned {namespace}/{name} to {node}",
            )
            self.pods.start(pod)
            return
        counted = ", ".join(f"{count} {why}" for why, count in Counter(reasons.values()).items())
        message = f"0/{len(self.nodes)} nodes are available: {counted}."
        said = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        if pod["status"].get("conditions") != [said]:
            self.store.update(
                "Pod", namespace, name, lambda p: p["status"].update(conditions=[said])
            )
            record_event(self.store, pod, "Warning", "FailedScheduling", message)

    def _why_not(self, spec: Json, node: Node) -> str | None:
        if any(
            node.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()
        ):
            return "node(s) didn't match Pod's node affinity/selector"
        for key, value, effect in node.taints:
            if effect != "PreferNoSchedule" and not any(
                _tolerates(each, key, value, effect) for each in spec.get("tolerations") or ()
            ):
                return f"node(s) had untolerated taint {{{key}: {value}}}"
        others = [
            p["spec"]
            for p in self.store.find("Pod", fields=f"spec.nodeName={node.name}")
            if not finished(p)
        ]
        for resource, capacity in node.capacity.items():
            if sum(requested(each, resource) for each in (spec, *others)) > quantity(capacity):
                return f"Insufficient {resource}"
        return None


def requested(spec: Json, resource: str) -> Any:
    """How much of a resource a pod's containers ask for."""
    amounts = [(each.get("resources") or {}).get("requests") or {} for each in spec["containers"]]
    return sum(quantity(amount.get(resource, 0)) for amount in amounts)


def finished(pod: Json) -> bool:
    """Tell whether *pod* has succeeded or failed."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def _tolerates(toleration: Json, key: str, value: str, effect: str) -> bool:
    if toleration.get("effect") not in (None, "", effect):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key", "") in ("", key)
    return (toleration.get("key"), toleration.get("value", "")) == (key, value)
