"""A cluster to ask: the stand-in, or with ``KUBECONFIG`` and ``TRAINER_IMAGE`` set a real one (``real.py``).

What only the stand-in can be told to do (lose its API server, have no GPU left) is skipped there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.kubernetes import Cluster
from tests.kubernetes.real import real_cluster

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
        """The stand-in, for what only it can be told; skips the test against a real cluster."""
        if self.own is None:
            pytest.skip("needs a cluster of the test's own")
        return self.own

    def pod(self, name: str, program: str, **spec: Any) -> dict[str, Any]:
        """A pod that runs a Python program, and tolerates the GPU node."""
        container = {"name": "base", "image": self.image, "command": ["python", "-c", program]}
        container |= spec.pop("container", {})
        tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        body = {"restartPolicy": "Never", "tolerations": tolerations, "containers": [container], **spec}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    if (real := real_cluster()) is not None:
        yield _clients(real.kubeconfig, real.namespace, real.image, None)
        return
    images = {"registry.example.com/trainer": TRAINER}
    queues = {"gpu-queue": {"nvidia.com/gpu": 1}}
    with Cluster(tmp_path / "cluster", images=images, queues=queues) as cluster:
        asked = _clients(cluster.kubeconfig, "training", "registry.example.com/trainer:1", cluster)
        yield asked
        asked.client.api_client.close()


def _clients(kubeconfig: Path, namespace: str, image: str, own: Cluster | None) -> Asked:
    from kubernetes import client, config

    api = config.new_client_from_config(str(kubeconfig))
    return Asked(client.CoreV1Api(api), client.BatchV1Api(api), namespace, image, own)
