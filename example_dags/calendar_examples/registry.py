"""MLflow: runs, the registered model "digits", and which of its versions is the champion.

The store is where ``MLFLOW_TRACKING_URI`` says; without it, a SQLite file beside the data of the
examples.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from calendar_examples import workspace

MODEL = "digits"
CHAMPION = "champion"  # the alias: https://mlflow.org/docs/latest/ml/model-registry/
EXPERIMENT = "weekly_retraining"


def open_store() -> Any:
    """MLflow's client, with the store made and up to date and the experiment chosen."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a log is no terminal
    import mlflow
    import mlflow.sklearn

    if "MLFLOW_TRACKING_URI" not in os.environ:
        folder = Path(os.environ.get("AIRFLOW_HOME") or Path.home() / "airflow") / "examples"
        folder.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        local = mlflow.get_tracking_uri().startswith("sqlite")  # a server chooses the place itself
        mlflow.create_experiment(EXPERIMENT, str(workspace("mlflow")) if local else None)
    mlflow.set_experiment(EXPERIMENT)
    return mlflow.MlflowClient()


def champion() -> Any | None:
    """The version that is in use, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return open_store().get_model_version_by_alias(MODEL, CHAMPION)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def load_champion() -> Any:
    import mlflow

    open_store()
    return mlflow.sklearn.load_model(f"models:/{MODEL}@{CHAMPION}")


def load_run(run_id: str) -> Any:
    import mlflow

    open_store()
    return mlflow.sklearn.load_model(f"runs:/{run_id}/model")


def finished_run(tags: dict[str, str]) -> Any | None:
    """A run of the experiment with these tags that came to its end."""
    client = open_store()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    wanted = " and ".join(f'tags.{name} = "{value}"' for name, value in tags.items())
    found = client.search_runs(
        [experiment], f"{wanted} and attributes.status = 'FINISHED'", max_results=1
    )
    return found[0] if found else None


def promote(run_id: str, facts: dict[str, Any]) -> str:
    """Register the run's model, once, and make it the champion. Its version."""
    import mlflow

    client = open_store()
    known = client.search_model_versions(f"name = '{MODEL}' and run_id = '{run_id}'")
    if known:
        version = known[0].version
    else:
        tags = {name: str(value) for name, value in facts.items()}
        version = mlflow.register_model(f"runs:/{run_id}/model", MODEL, tags=tags).version
    client.set_registered_model_alias(MODEL, CHAMPION, version)
    return str(version)
