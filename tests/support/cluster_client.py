"""Where to send requests to a cluster, and what pods may be made of there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.kubernetes import Cluster

TRAINER = Path(__file__).parents[2] / "example_dags" / "trainer"


@dataclass
class Asked:
    """Where to send requests, and what pods may be made of there."""

    client: Any
    batch: Any
    namespace: str
    image: str
    own: Cluster | None

    def cluster(self) -> Cluster:
        """Return the stand-in, for what only it can be told; skip the test on a real cluster."""
        if self.own is None:
            pytest.skip("needs a cluster of the test's own")
        return self.own

    def pod(self, name: str, program: str, **spec: Any) -> dict[str, Any]:
        """Return a pod that runs a Python program, and tolerates the GPU node."""
        container = {"name": "base", "image": self.image, "command": ["python", "-c", program]}
        container |= spec.pop("container", {})
        tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        body = {
            "restartPolicy": "Never",
            "tolerations": tolerations,
            "containers": [container],
            **spec,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def asked_of(kubeconfig: Path, namespace: str, image: str, own: Cluster | None) -> Asked:
    """Return clients of the cluster that *kubeconfig* leads to; *own* is it where it is ours."""
    from kubernetes import client, config

    api = config.new_client_from_config(str(kubeconfig))
    return Asked(client.CoreV1Api(api), client.BatchV1Api(api), namespace, image, own)
