"""The cluster that the examples' pods run on: the stand-in, or a real one.

A real one where ``KUBECONFIG`` and ``TRAINER_IMAGE`` are set.

Asked through the client that Airflow's operators use. What only the stand-in can be told is skipped
with a real one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from demo.kubernetes import Cluster
from demo.services import wait_until
from tests.support.real_cluster import real_cluster

STAND_IN_IMAGE = "registry.example.com/trainer:of-the-tests"


def genai_folder() -> Path | None:
    """Where this machine sees the volume behind a real cluster's claim ``genai``, if it does."""
    return (
        Path(os.environ["GENAI_FOLDER"])
        if real_cluster() and "GENAI_FOLDER" in os.environ
        else None
    )


class PodCluster:
    """Where the pods are, and what Airflow has to know of it (``settings``)."""

    def __init__(self, own: Cluster) -> None:
        self._own, self._real = own, real_cluster()
        self.kubeconfig = self._real.kubeconfig if self._real else own.kubeconfig
        self.namespace = self._real.namespace if self._real else "training"
        self.image = self._real.image if self._real else STAND_IN_IMAGE

    @property
    def settings(self) -> dict[str, str]:
        return {
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": f"kubernetes://?kube_config_path={self.kubeconfig}",
            "AIRFLOW_VAR_TRAINER_IMAGE": self.image,
            "AIRFLOW_VAR_TRAINING_NAMESPACE": self.namespace,
        }

    def stand_in(self, what: str) -> Cluster:
        """For what only the stand-in can be told; skips the test with a real cluster."""
        if self._real is not None:
            pytest.skip(f"a real cluster is asked, and {what} is for the stand-in only")
        return self._own

    def has(self, variable: str) -> bool:
        """Tell whether it has what not every real cluster has.

        Real clusters say so in a variable of the environment.
        """
        return self._real is None or variable in os.environ

    @contextmanager
    def pods(self) -> Iterator[Any]:
        """Yield the client."""
        with config.new_client_from_config(str(self.kubeconfig)) as api:
            yield client.CoreV1Api(api)

    def find(self, argument: str) -> Any | None:
        """Return the pod with these words among its container's arguments, if there is one."""
        with self.pods() as pods:
            listed = pods.list_namespaced_pod(self.namespace).items
        return next(
            (
                pod
                for pod in listed
                if any(argument in a for a in pod.spec.containers[0].args or ())
            ),
            None,
        )

    @contextmanager
    def running(
        self, program: str, *arguments: str, until: str, **container: Any
    ) -> Iterator[None]:
        """Start a pod that runs a Python program; return it once it is in the phase *until*.

        The pod has the claim ``checkpoints``.
        """
        name = f"test-{uuid.uuid4().hex[:8]}"
        claim = {"name": "checkpoints", "persistentVolumeClaim": {"claimName": "checkpoints"}}
        described = {
            "name": "base",
            "image": self.image,
            "command": ["python", "-c", program],
            "args": list(arguments),
            "volumeMounts": [{"name": "checkpoints", "mountPath": "/checkpoints"}],
            **container,
        }
        spec = {
            "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}],
            "volumes": [claim],
            "containers": [described],
        }
        with self.pods() as pods:
            pods.create_namespaced_pod(self.namespace, {"metadata": {"name": name}, "spec": spec})
            try:

                def reached() -> bool:
                    phase = pods.read_namespaced_pod(name, self.namespace).status.phase
                    assert phase != "Failed", pods.read_namespaced_pod_log(name, self.namespace)
                    return bool(phase == until)

                wait_until(f"the pod to be {until}", reached)
                yield
            finally:
                pods.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)

    def run(self, program: str, *arguments: str) -> None:
        """Run a Python program beside the checkpoints, to its good end."""
        with self.running(program, *arguments, until="Succeeded"):
            pass
