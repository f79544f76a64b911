"""Train the model, or fine-tune one: what the GPU pod runs.

Checkpoints go to a volume. Asked to stop (SIGTERM: the pod's deadline, or its node is drained) or
at the time in STOP_AT, it saves and ends with 75 (EX_TEMPFAIL): run again, it goes on from there,
and ends where it would have ended uninterrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

INTERRUPTED = 75  # EX_TEMPFAIL: not done, not wrong
# Without these no two trainings on a GPU end in the same weights: its threads add up in another
# order each time, and XLA chooses the kernels that were fastest when it tried them.
REPRODUCIBLE = "--xla_gpu_exclude_nondeterministic_ops=true --xla_gpu_autotune_level=0"


def main() -> int:
    arguments = _arguments()
    interrupted = _interruption(arguments.stop_at)
    os.environ.setdefault("XLA_FLAGS", REPRODUCIBLE)
    # Only now: these take seconds, in which the pod may be asked to stop already.
    import jax
    import model

    tokens = _corpus(arguments.corpus)
    work = Path(arguments.checkpoints)
    _say(f"{jax.devices()[0].platform.upper()}, {len(tokens):,} characters of text")

    seed = arguments.seed
    if (found := model.load(work, "checkpoint")) is not None:
        arrays, facts = found
        moments = {
            name: value for name, value in arrays.items() if name.startswith(("first.", "second."))
        }
        params = {name: value for name, value in arrays.items() if name not in moments}
        shape, done = model.Shape(**facts["shape"]), int(facts["step"])
        _say(f"resuming at step {done} of {arguments.steps}")
    else:
        if arguments.start_from:
            params, shape, _ = model.load_model(Path(arguments.start_from))
        else:
            shape = model.Shape()
            params = model.initialize(shape, seed)
        moments, done = model.no_moments(params), 0

    def checkpoint() -> None:
        model.save(work, "checkpoint", params | moments, shape=vars(shape), step=done)

    begun = time.monotonic()
    for rows in model.batches(tokens, shape, seed, done):
        if done >= arguments.steps:
            break
        if reason := interrupted():
            checkpoint()
            _say(
                f"{reason}: saved at step {done} of {arguments.steps}; "
                "the next run goes on from here"
            )
            return INTERRUPTED
        params, moments, surprise = model.train_step(
            params, moments, done + 1, rows, arguments.rate, shape
        )
        # Else Python runs ahead of the GPU, and a stop waits for all the steps in its queue.
        surprise.block_until_ready()
        done += 1
        if done % arguments.save_every == 0 or done == arguments.steps:
            _say(
                f"step {done} of {arguments.steps}, loss {float(surprise):.3f}, "
                f"{time.monotonic() - begun:.0f} s"
            )
            checkpoint()
        if arguments.pause:
            time.sleep(arguments.pause)
    model.save_model(work, params, shape, steps=done)
    _say(f"finished: {work}/model.npz")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checkpoints", required=True, help="folder on a volume that outlives the pod"
    )
    parser.add_argument(
        "--corpus", help="text file, or tokens (.npy); default: Python's own documentation"
    )
    parser.add_argument("--start-from", help="folder of a model to fine-tune; default: begin anew")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--save-every", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--pause",
        type=float,
        default=0,
        help="seconds to rest after each step: share a busy machine",
    )
    parser.add_argument(
        "--stop-at", default=os.environ.get("STOP_AT"), help="ISO time with zone: the window's end"
    )
    return parser.parse_args()


def _interruption(stop_at: str | None) -> Callable[[], str | None]:
    """Tells, when asked, why to stop now."""
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
    moment = datetime.fromisoformat(stop_at) if stop_at else None

    def reason() -> str | None:
        if signals:
            return "asked to stop"
        return "out of time" if moment and datetime.now(UTC) >= moment else None

    return reason


def _corpus(name: str | None) -> np.ndarray:
    import numpy as np
    from text import encode

    if name is None:
        # Some 700 kB of English that every Python brings along
        from pydoc_data.topics import topics

        return encode("\n\n".join(topics[key] for key in sorted(topics)))
    return (
        np.load(name) if name.endswith(".npy") else encode(Path(name).read_text(encoding="utf-8"))
    )


def _say(what: str) -> None:
    print(f"INFO {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
