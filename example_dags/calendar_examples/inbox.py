"""Batches of images that wait to be classified, and what became of them.

This is the work behind inference_offpeak.
"""

from __future__ import annotations

from airflow.sdk import ObjectStoragePath

from calendar_examples import arrays, digits, workspace

BATCH = 50  # images


def deliver(name: str) -> str:
    """Put a batch into the inbox, in one step; where it lies."""
    import numpy as np
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    chosen = np.random.default_rng(int.from_bytes(name.encode()) % 2**32).choice(
        len(labels), BATCH, replace=False
    )
    return arrays.save(
        workspace("inbox", f"{name}.npz"), images=images[chosen], labels=labels[chosen]
    )


def waiting() -> list[str]:
    """Batches without predictions, the oldest first."""
    folder = workspace("inbox")
    if not folder.exists():
        return []
    done = {file.name for file in _results().iterdir()} if _results().exists() else set()
    return sorted(
        str(file)
        for file in folder.iterdir()
        if file.name.endswith(".npz") and file.name not in done
    )


def classify(batch: str) -> tuple[int, str]:
    """Write the champion's predictions; how many, and where they lie."""
    predictions = digits.classify(arrays.load(batch)["images"])
    return len(predictions), arrays.save(
        _results() / ObjectStoragePath(batch).name, predictions=predictions
    )


def _results() -> ObjectStoragePath:
    return workspace("predictions")
