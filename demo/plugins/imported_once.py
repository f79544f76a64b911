"""What the examples import and takes seconds, imported by the processes that fork.

Tasks and parses then begin with it.

Airflow loads its plugins in the scheduler, whose LocalExecutor forks a process for every task, and
in the DAG processor, which forks one for every file.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module

HEAVY = (
    "airflow.providers.cncf.kubernetes.operators.kueue",
    "airflow.providers.cncf.kubernetes.operators.pod",
    "mlflow.sklearn",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.svm",
)

if {"scheduler", "dag-processor"} & set(sys.argv[1:2]):
    for module in HEAVY:
        with contextlib.suppress(ImportError):  # an extra that is not installed
            import_module(module)
