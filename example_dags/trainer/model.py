"""A small generative model: a character-level transformer in JAX.

It runs on the GPU where there is one, else on the CPU.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
from text import CHARACTERS, decode, encode

Params = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """How large a model is."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    context: int = 64


def initialize(shape: Shape, seed: int) -> Params:
    """Weights to begin with, the same for the same seed."""
    random = np.random.default_rng(seed)

    def matrix(*size: int) -> jax.Array:
        return jnp.asarray(random.normal(0, 0.02, size), jnp.float32)

    width = shape.width
    layer = {
        "qkv": (width, 3 * width),
        "out": (width, width),
        "up": (width, 4 * width),
        "down": (4 * width, width),
    }
    params = {
        f"layer{n}.{name}": matrix(*size)
        for n in range(shape.layers)
        for name, size in layer.items()
    }
    return params | {"token": matrix(len(CHARACTERS), width), "place": matrix(shape.context, width)}


def logits(params: Params, tokens: jax.Array, shape: Shape) -> jax.Array:
    """What each position of ``tokens`` (batch, time) expects to come next."""
    batch, time = tokens.shape
    x = params["token"][tokens] + params["place"][:time]
    unseen = jnp.triu(jnp.full((time, time), -1e9), 1)
    for n in range(shape.layers):
        weight = {name: params[f"layer{n}.{name}"] for name in ("qkv", "out", "up", "down")}
        split = (_normalize(x) @ weight["qkv"]).reshape(batch, time, 3, shape.heads, -1)
        q, k, v = (split[:, :, part].swapaxes(1, 2) for part in range(3))
        scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1]) + unseen
        seen = (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(batch, time, -1)
        x = x + seen @ weight["out"]
        x = x + jax.nn.gelu(_normalize(x) @ weight["up"]) @ weight["down"]
    expected: jax.Array = _normalize(x) @ params["token"].T
    return expected


def _normalize(x: jax.Array) -> jax.Array:
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)


@partial(jax.jit, static_argnames="shape")
def loss(params: Params, rows: jax.Array, shape: Shape) -> jax.Array:
    """Mean surprise, in nats a character, at each next character of the rows."""
    chances = jax.nn.log_softmax(logits(params, rows[:, :-1], shape))
    return -jnp.take_along_axis(chances, rows[:, 1:, None], axis=2).mean()


@partial(jax.jit, static_argnames="shape")
def train_step(
    params: Params, moments: Params, step: int, rows: jax.Array, rate: float, shape: Shape
) -> Any:
    """One step of Adam: the new weights, its new moments and the loss before the step."""
    surprise, slope = jax.value_and_grad(loss)(params, rows, shape)
    first = {name: 0.9 * moments[f"first.{name}"] + 0.1 * slope[name] for name in params}
    second = {name: 0.99 * moments[f"second.{name}"] + 0.01 * slope[name] ** 2 for name in params}
    new = {
        name: params[name]
        - rate
        * (first[name] / (1 - 0.9**step))
        / (jnp.sqrt(second[name] / (1 - 0.99**step)) + 1e-8)
        for name in params
    }
    moments = {f"first.{n}": v for n, v in first.items()} | {
        f"second.{n}": v for n, v in second.items()
    }
    return new, moments, surprise


def no_moments(params: Params) -> Params:
    """Adam's memory before the first step."""
    return {
        f"{kind}.{name}": jnp.zeros_like(value)
        for kind in ("first", "second")
        for name, value in params.items()
    }


def batches(
    tokens: np.ndarray, shape: Shape, seed: int, first_step: int, rows: int = 32
) -> Iterator[np.ndarray]:
    """Random rows of the text, the same for the same step.

    A resumed training goes on as if never interrupted.
    """
    step = first_step
    while True:
        starts = np.random.default_rng((seed, step)).integers(
            0, len(tokens) - shape.context - 1, rows
        )
        yield np.stack([tokens[start : start + shape.context + 1] for start in starts])
        step += 1


def perplexity(params: Params, tokens: np.ndarray, shape: Shape) -> float:
    """How many characters the model is undecided between, on average.

    The average is over the whole of ``tokens``.
    """
    length = shape.context + 1
    rows = tokens[: len(tokens) // length * length].reshape(-1, length)
    parts = [rows[n : n + 64] for n in range(0, len(rows), 64)]
    total = sum(float(loss(params, part, shape)) * len(part) for part in parts)
    return float(np.exp(total / len(rows)))


def generate(params: Params, prompt: str, length: int, shape: Shape, seed: int = 0) -> str:
    """``length`` more characters after the prompt."""
    random = np.random.default_rng(seed)
    tokens = list(encode(prompt or "\n"))
    for _ in range(length):
        seen = np.zeros((1, shape.context), np.uint8)
        tail = tokens[-shape.context :]
        seen[0, : len(tail)] = tail
        chances = np.asarray(_next_chances(params, seen, len(tail) - 1, shape), np.float64)
        tokens.append(int(random.choice(len(CHARACTERS), p=chances / chances.sum())))
    return decode(np.array(tokens[-length:], np.uint8))


@partial(jax.jit, static_argnames="shape")
def _next_chances(params: Params, seen: jax.Array, last: int, shape: Shape) -> jax.Array:
    return jax.nn.softmax(logits(params, seen, shape)[0, last] / 0.8)


def save(folder: Path, name: str, arrays: Params, **facts: Any) -> None:
    """Write arrays and facts as one file, in one step.

    Whoever reads it finds the old or the new, never half.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Any] = {"facts": json.dumps(facts)} | {
        key: np.asarray(value) for key, value in arrays.items()
    }
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{name}-", delete=False) as draft:
        np.savez(draft, **written)
        draft.flush()
        os.fsync(draft.fileno())
    file = Path(draft.name)
    file.chmod(0o644)  # the pod writes, others read
    file.replace(folder / f"{name}.npz")


def load(folder: Path, name: str) -> tuple[Params, dict[str, Any]] | None:
    """What :func:`save` wrote, or None; ValueError for anything else."""
    file = folder / f"{name}.npz"
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["facts"]))
            return {key: jnp.asarray(arrays[key]) for key in arrays.files if key != "facts"}, facts
    except (ValueError, KeyError, BadZipFile):
        raise ValueError(f"{file} is damaged: remove it to begin anew") from None


def save_model(folder: Path, params: Params, shape: Shape, **facts: Any) -> None:
    """A finished model, as evaluation and serving load it."""
    save(folder, "model", params, shape=asdict(shape), **facts)


def load_model(folder: Path) -> tuple[Params, Shape, dict[str, Any]]:
    """The model in ``folder``; FileNotFoundError where there is none."""
    if (found := load(folder, "model")) is None:
        raise FileNotFoundError(f"no model in {folder}")
    params, facts = found
    return params, Shape(**facts.pop("shape")), facts
