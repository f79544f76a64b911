"""A cluster to ask: the stand-in, or a real one (``real_cluster.py``).

A real one where ``KUBECONFIG`` and ``TRAINER_IMAGE`` are set.

What only the stand-in can be told to do (lose its API server, have no GPU left) is skipped there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.kubernetes import Cluster
from tests.support.cluster_client import TRAINER, Asked, asked_of
from tests.support.real_cluster import real_cluster


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    if (real := real_cluster()) is not None:
        yield asked_of(real.kubeconfig, real.namespace, real.image, None)
        return
    images = {"registry.example.com/trainer": TRAINER}
    queues = {"gpu-queue": {"nvidia.com/gpu": 1}}
    with Cluster(tmp_path / "cluster", images=images, queues=queues) as cluster:
        asked = asked_of(cluster.kubeconfig, "training", "registry.example.com/trainer:1", cluster)
        yield asked
        asked.client.api_client.close()
