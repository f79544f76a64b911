"""The real cluster that tests are to ask, where one is named in the environment.

``KUBECONFIG`` names it, and ``TRAINER_IMAGE`` the image of ``example_dags/trainer``: with only one
of them nobody's cluster is touched. The namespace is ``KUBERNETES_NAMESPACE`` (default: default).
The GPU node carries the label ``nvidia.com/gpu.present=true``; the claims ``checkpoints`` and
``genai`` are there for the DAGs of tests/system/examples.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RealCluster:
    """What has to be known to ask it."""

    kubeconfig: Path
    namespace: str
    image: str


def real_cluster() -> RealCluster | None:
    """None where the stand-in is to be asked."""
    kubeconfig, image = os.environ.get("KUBECONFIG"), os.environ.get("TRAINER_IMAGE")
    if not kubeconfig or not image:
        return None
    return RealCluster(
        Path(kubeconfig).absolute(), os.environ.get("KUBERNETES_NAMESPACE", "default"), image
    )
