"""Documents to tokens, without repetitions.

They are split into what is trained on and what is held out to judge by.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
from text import encode

HELD_OUT = 10  # every tenth document or so


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True, help="folder of text files")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for train.npy and held_out.npy"
    )
    arguments = parser.parse_args()

    parts: dict[str, list[str]] = {"train": [], "held_out": []}
    seen = set()
    for file in sorted(arguments.documents.glob("*.txt")):
        text = file.read_text(encoding="utf-8").strip()
        digest = hashlib.sha256(" ".join(text.split()).encode()).digest()
        if len(text) < 40 or digest in seen:
            continue
        seen.add(digest)
        # A document is always on one side
        parts["held_out" if digest[0] % HELD_OUT == 0 else "train"].append(text)
    if not all(parts.values()):
        raise SystemExit("ERROR too few documents to train on some and to judge by others")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, texts in parts.items():
        tokens = encode("\n\n".join(texts) + "\n")
        np.save(arguments.out / f"{name}.npy", tokens)
        print(f"INFO {name}: {len(texts)} documents, {len(tokens):,} characters", flush=True)


if __name__ == "__main__":
    main()
