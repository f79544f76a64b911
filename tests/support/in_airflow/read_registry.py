"""Answer lines of JSON about MLflow's registry and the files, in one line each.

It knows no more than where Airflow is.

Started as ``read_registry.py DAGS_FOLDER``; ``["champion", features]`` or ``["right", batch,
predictions]`` are asked.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any


def champion(features: str) -> dict[str, Any]:
    """Return what the registry says of the champion, and how that model does.

    The model is loaded and scored here.
    """
    from calendar_examples import arrays, registry

    client, version, data = registry.open_store(), registry.champion(), arrays.load(features)
    assert version is not None
    right = registry.load_champion().predict(data["held_out_images"]) == data["held_out_labels"]
    return {
        "version": str(version.version),
        "run_id": version.run_id,
        "tags": version.tags,
        "accuracy": float(right.mean()),
        "versions": len(client.search_model_versions("name = 'digits'")),
    }


def right(batch: str, predictions: str) -> float:
    """Return the share of the predictions that are right."""
    from calendar_examples import arrays

    return float((arrays.load(predictions)["predictions"] == arrays.load(batch)["labels"]).mean())


QUESTIONS: dict[str, Callable[..., Any]] = {"champion": champion, "right": right}


def main() -> None:
    """Answer each line of stdin."""
    sys.path.insert(0, sys.argv[1])
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            answer = QUESTIONS[name](*arguments)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
