"""Jobs, one pod at a time; and Kueue, which lets a suspended Job go when its queue has room."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain

from demo.kubernetes.events import record_event
from demo.kubernetes.pods import Pods
from demo.kubernetes.store import Conflict, Json, Store, timestamp
from demo.kubernetes.validation import quantity

QUEUE = "kueue.x-k8s.io/queue-name"


class Jobs:
    """The Job controller."""

    def __init__(self, store: Store, pods: Pods, queues: Mapping[str, Mapping[str, int]]) -> None:
        self._store = store
        self._pods = pods
        self._queues = queues

    def reconcile(self) -> None:
        """Bring every Job one step on, and end the pods whose Job is gone.

        The latter is what the garbage collector does.

        Also a pod that was made while its Job was being deleted has to go.
        """
        made: dict[str, list[Json]] = defaultdict(list)
        for pod in self._store.find("Pod"):
            if owner := _owner(pod):
                made[owner].append(pod)
        for job in self._store.find("Job"):
            pods = made.pop(job["metadata"]["uid"], [])
            if not over(job):
                # Changed by somebody meanwhile: see the next round
                with contextlib.suppress(KeyError, Conflict):
                    self._step(job, pods)
        for pod in chain.from_iterable(made.values()):
            if not pod["metadata"].get("deletionTimestamp"):
                with contextlib.suppress(KeyError):
                    self._pods.delete(pod)

    def _step(self, job: Json, pods: list[Json]) -> None:
        spec, status = job["spec"], job["status"]
        if spec.get("suspend"):
            if self._admitted(job):
                self._edit(job, lambda j: j["spec"].update(suspend=False))
                record_event(
                    self._store, job, "Normal", "Admitted", f"Admitted by queue {_queue(job)}"
                )
            return
        if "startTime" not in status:
            self._edit(job, lambda j: j["status"].update(startTime=timestamp()))
            return
        active = [pod for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed")]
        failed = sum(pod["status"].get("phase") == "Failed" for pod in pods)
        if len(pods) > len(active) + failed:
            self._finish(job, "Complete", "CompletionsReached", succeeded=1, failed=failed)
        elif self._overdue(job):
            for pod in active:
                self._pods.delete(pod)
            self._finish(job, "Failed", "DeadlineExceeded", failed=failed + len(active))
        elif failed > spec.get("backoffLimit", 6):
            self._finish(job, "Failed", "BackoffLimitExceeded", failed=failed)
        elif not active:
            self._create_pod(job)
            self._edit(job, lambda j: j["status"].update(active=1, ready=0, failed=failed))

    def _admitted(self, job: Json) -> bool:
        """Tell whether the Job's queue has room for what it asks.

        A Job without a queue stays suspended.
        """
        quota = self._queues.get(_queue(job) or "")
        if quota is None:
            return False
        holding = [
            other["spec"]["template"]["spec"]
            for other in self._store.find("Job", labels=f"{QUEUE}={_queue(job)}")
            if not other["spec"].get("suspend") and not over(other)
        ]
        asked = [*holding, job["spec"]["template"]["spec"]]
        return all(
            sum(
                quantity(((each.get("resources") or {}).get("limits") or {}).get(resource, 0))
                for spec in asked
                for each in spec["containers"]
            )
            <= amount
            for resource, amount in quota.items()
        )

    def _create_pod(self, job: Json) -> None:
        metadata, template = job["metadata"], job["spec"]["template"]
        own = template.get("metadata") or {}
        names = {"job-name": metadata["name"], "batch.kubernetes.io/job-name": metadata["name"]}
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "labels": {**(own.get("labels") or {}), **names},
                "annotations": own.get("annotations") or {},
                "ownerReferences": [{**owner, "controller": True}],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        self._store.create("Pod", metadata["namespace"], pod)

    def _overdue(self, job: Json) -> bool:
        seconds = job["spec"].get("activeDeadlineSeconds")
        begun = datetime.fromisoformat(job["status"]["startTime"])
        return seconds is not None and (datetime.now(UTC) - begun).total_seconds() >= seconds

    def _finish(self, job: Json, how: str, reason: str, **counts: int) -> None:
        condition = {
            "type": how,
            "status": "True",
            "reason": reason,
            "lastTransitionTime": timestamp(),
        }
        more = {"completionTime": timestamp()} if how == "Complete" else {}
        self._edit(
            job,
            lambda j: j["status"].update(
                active=0, ready=0, conditions=[condition], **more, **counts
            ),
        )

    def _edit(self, job: Json, change: object) -> None:
        assert callable(change)
        self._store.update("Job", job["metadata"]["namespace"], job["metadata"]["name"], change)


def over(job: Json) -> bool:
    """Tell whether *job* has completed or failed."""
    return any(
        each["type"] in ("Complete", "Failed") for each in job["status"].get("conditions") or ()
    )


def _owner(pod: Json) -> str | None:
    """Return the uid of the Job that made the pod."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner["kind"] == "Job"), None)


def _queue(job: Json) -> str | None:
    name: str | None = (job["metadata"].get("labels") or {}).get(QUEUE)
    return name
