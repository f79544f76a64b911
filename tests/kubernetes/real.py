"""The real cluster that tests are to ask, where one is named in the environment.

``KUBECONFIG`` names it; the namespace is ``KUBERNETES_NAMESPACE`` (default: default), and ``TRAINER_IMAGE`` the image of
``example_dags/trainer``. Its GPU node carries the label ``nvidia.com/gpu.present=true``; the claims ``checkpoints`` and
``genai`` are there for the DAGs of tests/examples.
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
    """None where the stand-in is to be asked; KeyError where the image is not said."""
    if not (kubeconfig := os.environ.get("KUBECONFIG")):
        return None
    namespace = os.environ.get("KUBERNETES_NAMESPACE", "default")
    return RealCluster(Path(kubeconfig).absolute(), namespace, os.environ["TRAINER_IMAGE"])
