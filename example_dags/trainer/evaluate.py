"""Perplexity of a model on text it has not seen, written beside the model.

The gate decides by it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import model
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", required=True, help="folder of the model; metrics.json goes there"
    )
    parser.add_argument("--corpus", required=True, help="held-out tokens (.npy)")
    parser.add_argument(
        "--data",
        type=Path,
        help="folder that holds serving/current, which names the model in service",
    )
    arguments = parser.parse_args()

    held_out = np.load(arguments.corpus)
    metrics = {"perplexity": _judge(Path(arguments.model), held_out), "characters": len(held_out)}
    if arguments.data and (current := arguments.data / "serving" / "current").exists():
        metrics["perplexity_in_service"] = _judge(
            arguments.data / current.read_text().strip(), held_out
        )
    draft = Path(arguments.model) / ".metrics.json"
    draft.write_text(json.dumps(metrics))
    draft.replace(draft.with_name("metrics.json"))
    print(f"INFO {metrics}", flush=True)


def _judge(folder: Path, tokens: np.ndarray) -> float:
    params, shape, _ = model.load_model(folder)
    return model.perplexity(params, tokens, shape)


if __name__ == "__main__":
    main()
