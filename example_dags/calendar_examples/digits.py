"""The work behind weekly_retraining and inference_offpeak.

It learns scikit-learn's handwritten digits, week by week.

Every function takes and gives references: where data lies, which run of MLflow. The data itself
never goes through XCom.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from calendar_examples import arrays, workspace

FIRST_WEEK = date(2026, 1, 3)
HELD_OUT = 360  # digits that no training ever sees
CLASSES = 10


def ingest(day: str) -> str:
    """The digits that were labelled until *day*: some more every week. Where they lie."""
    import numpy as np
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    held_out, pool = order[:HELD_OUT], order[HELD_OUT:]
    weeks = max((date.fromisoformat(day) - FIRST_WEEK).days // 7, 0)
    known = pool[: min(100 + 40 * weeks, len(pool))]
    return arrays.save(
        workspace("retraining", day, "raw.npz"),
        images=images[known],
        labels=labels[known],
        held_out_images=images[held_out],
        held_out_labels=labels[held_out],
    )


def validate(raw: str) -> dict[str, int]:
    """What was looked at; ValueError names what is wrong with the data."""
    import numpy as np

    data = arrays.load(raw)
    images, labels = data["images"], data["labels"]
    checks = {
        "an image for every label": len(images) == len(labels) > 0,
        "8 x 8 grey values from 0 to 16": images.shape[1:] == (64,)
        and images.min() >= 0
        and images.max() <= 16,
        "no gaps": bool(np.isfinite(images).all()),
        "every digit often enough": len(np.unique(labels)) == CLASSES
        and min(np.bincount(labels)) >= 5,
        "no held-out digit among them": not _each(images) & _each(data["held_out_images"]),
    }
    if broken := [name for name, holds in checks.items() if not holds]:
        raise ValueError(f"{raw}: not so: {'; '.join(broken)}")
    return {"digits": len(labels), "checks": len(checks)}


def features(raw: str) -> str:
    """Pixels, and how much ink is in each row and column. Where they lie."""
    from airflow.sdk import ObjectStoragePath

    data = arrays.load(raw)
    for name in ("images", "held_out_images"):
        data[name] = with_ink(data[name])
    return arrays.save(ObjectStoragePath(raw).parent / "features.npz", **data)


def with_ink(images: Any) -> Any:
    """The features of images."""
    import numpy as np

    squares = images.reshape(-1, 8, 8)
    return np.hstack([images, squares.sum(1), squares.sum(2)])


def train(prepared: str, setting: dict[str, float], day: str) -> dict[str, Any]:
    """A model with this setting, as a run of MLflow.

    It is the run that is there already when the day is run again.
    """
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from calendar_examples import registry

    data = arrays.load(prepared)
    identity = {"day": day, "setting": str(sorted(setting.items())), "data": _fingerprint(data)}
    if (run := registry.finished_run(identity)) is not None:
        return {
            "run_id": run.info.run_id,
            "score": run.data.metrics["cross_validated"],
            "reused": True,
        }
    images, labels = data["images"], data["labels"]
    with mlflow.start_run(run_name=f"{day} {setting}", tags=identity) as run:
        model = make_pipeline(StandardScaler(), SVC(**setting))
        score = float(cross_val_score(model, images, labels, cv=3).mean())
        model.fit(images, labels)
        mlflow.log_params(setting)
        mlflow.log_metrics({"cross_validated": score, "digits": len(labels)})
        signature = infer_signature(images[:5], model.predict(images[:5]))
        needs = [f"scikit-learn=={_version('scikit-learn')}"]
        mlflow.sklearn.log_model(model, name="model", signature=signature, pip_requirements=needs)
    return {"run_id": run.info.run_id, "score": score, "reused": False}


def evaluate(candidates: list[dict[str, Any]], prepared: str) -> dict[str, Any]:
    """The best candidate and the champion of today, on the same digits that neither has seen."""
    from calendar_examples import registry

    data = arrays.load(prepared)
    best = max(candidates, key=lambda candidate: (candidate["score"], candidate["run_id"]))

    def accuracy(model: Any) -> float:
        return float((model.predict(data["held_out_images"]) == data["held_out_labels"]).mean())

    champion = registry.champion()
    return {
        "run_id": best["run_id"],
        "accuracy": accuracy(registry.load_run(best["run_id"])),
        "champion": champion and champion.version,
        "champion_run_id": champion and champion.run_id,
        "champion_accuracy": accuracy(registry.load_champion()) if champion else None,
    }


def classify(images: Any) -> Any:
    """What the champion takes these images for."""
    from calendar_examples import registry

    return registry.load_champion().predict(with_ink(images))


def _each(images: Any) -> set[bytes]:
    return {image.tobytes() for image in images}


def _fingerprint(data: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(data):
        digest.update(data[name].tobytes())
    return digest.hexdigest()[:16]


def _version(distribution: str) -> str:
    from importlib.metadata import version

    return version(distribution)
