"""What the example DAGs run against here.

A cluster for their pods, a server for their model, pools, and Connections.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from demo.kubernetes import CPU_NODE, Cluster, gpu_node
from demo.local_airflow import LocalAirflow
from demo.services import Service, free_port, uninterrupted

EXAMPLES = Path(__file__).resolve().parent.parent / "example_dags"
TRAINER = EXAMPLES / "trainer"
# What their files import besides Airflow: some seconds of a core, at each parse and for each task.
IMPORTS = (
    "airflow.providers.cncf.kubernetes.operators.pod",
    "airflow.providers.cncf.kubernetes.operators.kueue",
    "airflow.providers.google.assets.gcs",
)
POOLS = {  # slots, and whether deferred tasks count
    "gpu": (1, True),
    "training": (2, False),
}


def compile_cache(folder: Path) -> dict[str, str]:
    """Return the settings with which JAX compiles a program once, and keeps it in *folder*."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def example_cluster(folder: Path, *, gpus: int, host: str = "127.0.0.1") -> Cluster:
    """Return a cluster that has what the examples ask for."""
    images = {"registry.example.com/trainer": TRAINER}
    queues = {"gpu-queue": {"nvidia.com/gpu": 1}}
    nodes = (gpu_node(gpus), CPU_NODE)
    environment = compile_cache(folder / "compiled")
    return Cluster(
        folder, images=images, environment=environment, nodes=nodes, queues=queues, host=host
    )


class ExampleServices:
    """Services for the examples, started on enter and ended on exit.

    ``settings`` is what Airflow's environment needs to know of them.

    :param data: the volume of genai_finetune, where that is not the cluster's own.
    :param host: the address of this machine where they are.
    """

    def __init__(
        self, folder: Path, *, gpus: int = 1, data: Path | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.cluster = example_cluster(folder, gpus=gpus, host=host)
        self._host = host
        self.data = data or self.cluster.volume("genai")
        self._folder = folder
        self.serving_port = free_port()
        self.serving: Service | None = None

    @property
    def settings(self) -> dict[str, str]:
        connections: dict[str, Mapping[str, object]] = {
            "kubernetes_default": {
                "conn_type": "kubernetes",
                "extra": {"kube_config_path": str(self.cluster.kubeconfig)},
            },
            "genai_serving": {"conn_type": "http", "host": self._host, "port": self.serving_port},
        }
        return {
            **{
                f"AIRFLOW_CONN_{name.upper()}": json.dumps(said)
                for name, said in connections.items()
            },
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(__file__).with_name("plugins")),
            "AIRFLOW_VAR_GENAI_FOLDER": str(self.data),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def __enter__(self) -> ExampleServices:
        try:
            self.cluster.__enter__()
            if find_spec("jax") is not None:
                self.serve()
        except BaseException:  # Ctrl-C too: nothing that was started may stay
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.serving is not None:
            self.serving.kill()
        self.cluster.__exit__(kind, error, trace)

    def serve(self, *options: str) -> None:
        """Start the model's server; in place of the one that runs, if one does."""
        if self.serving is not None:
            self.serving.kill()
        address = ("--data", self.data, "--host", self._host, "--port", str(self.serving_port))
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        environment |= compile_cache(self._folder / "compiled")
        with uninterrupted():
            self.serving = Service(
                "serving",
                (sys.executable, TRAINER / "serve.py", *address, *options),
                env=environment,
                log=self._folder / "serving.log",
            )


def make_pools(airflow: LocalAirflow, **slots: int) -> None:
    """Make the pools that examples name; *slots* says where other numbers are wanted."""
    with airflow.session() as session:
        for name, (number, deferred) in POOLS.items():
            pool = {"name": name, "slots": slots.get(name, number), "include_deferred": deferred}
            session.post(
                f"{airflow.address}/api/v2/pools", json=pool, timeout=20
            ).raise_for_status()
