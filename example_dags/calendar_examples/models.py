"""Models that can be asked for by name: the work behind calendar_is_the_schedule."""

from __future__ import annotations

import pickle
from typing import Any

from calendar_examples import workspace

NAMES = frozenset({"breast_cancer", "digits", "iris", "wine"})


def train(name: str) -> dict[str, Any]:
    """Train the model of this name on the data that scikit-learn ships, and keep it.

    Returns how good it is.
    """
    from sklearn import datasets
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    values, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    model = RandomForestClassifier(100, random_state=0)
    score = float(cross_val_score(model, values, labels, cv=5).mean())
    place = workspace("models", f"{name}.pickle")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(pickle.dumps(model.fit(values, labels)))
    return {"model": str(place), "accuracy": score}
