"""Read the DAG folder, or make a run of a DAG, each time a line asks for it.

Runs in a process of its own.
"""

from __future__ import annotations

import sys
from argparse import Namespace

from airflow.api.common.trigger_dag import trigger_dag
from airflow.cli.commands.dag_command import dag_reserialize
from airflow.utils.types import DagRunTriggeredByType

for line in sys.stdin:
    if dag_id := line.strip():
        trigger_dag(dag_id, triggered_by=DagRunTriggeredByType.TEST)
    else:
        dag_reserialize(Namespace(bundle_name=None))
    print("done", flush=True)
