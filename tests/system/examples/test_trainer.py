"""The container's programs, run as the pods run them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from demo.examples import EXAMPLES, compile_cache
from demo.services import Service, free_port, wait_until

SMALL = ("--steps", "40", "--save-every", "10")


def program(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"{name}.py", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=EXAMPLES / "trainer",
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment(),
    )


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "STOP_AT"}


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is compiled, for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in compile_cache(tmp_path_factory.mktemp("compiled")).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An uninterrupted training: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("data") / "good"
    done = program("train", "--checkpoints", folder, *SMALL)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_learns(whole: tuple[Path, str]) -> None:
    losses = [float(found) for found in re.findall(r"loss ([\d.]+)", whole[1])]

    assert len(losses) == 4
    assert losses[-1] < losses[0] < np.log(96), (
        "better than chance from the start, and better at the end"
    )


def test_an_interrupted_training_ends_in_the_same_weights(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    command = [sys.executable, "train.py", "--checkpoints", str(tmp_path), *SMALL, "--pause", "0.1"]
    with subprocess.Popen(
        command, cwd=EXAMPLES / "trainer", stdout=subprocess.PIPE, text=True, env=environment()
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "step 10 of 40" in line:
                break
        running.send_signal(signal.SIGTERM)
        said = running.stdout.read()
        assert running.wait(60) == 75
    saved = re.search(r"asked to stop: saved at step (\d+) of 40", said)
    assert saved

    resumed = program("train", "--checkpoints", tmp_path, *SMALL)

    assert resumed.returncode == 0, resumed.stderr
    assert f"resuming at step {saved[1]} of 40" in resumed.stdout
    with np.load(whole[0] / "model.npz") as one, np.load(tmp_path / "model.npz") as other:
        assert one.files == other.files
        for name in set(one.files) - {"facts"}:
            assert np.array_equal(one[name], other[name]), name


def test_asked_to_stop_while_it_is_being_loaded(tmp_path: Path) -> None:
    """A training is asked to stop as soon as it is started.

    Its GPU's node is drained, or its window ends.
    """
    command = [
        sys.executable,
        "-X",
        "importtime",
        "train.py",
        "--checkpoints",
        str(tmp_path),
        *SMALL,
    ]
    with subprocess.Popen(
        command,
        cwd=EXAMPLES / "trainer",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.endswith("numpy.version\n"):  # the first of many seconds' imports
                break
        running.send_signal(signal.SIGTERM)
        said = running.stdout.read()
        assert running.wait(60) == 75
    assert "import time:" in said, "it was not done with loading"
    assert "asked to stop: saved at step 0 of 40" in said


def test_a_finished_training_does_nothing_more(whole: tuple[Path, str]) -> None:
    before = (whole[0] / "model.npz").read_bytes()

    again = program("train", "--checkpoints", whole[0], *SMALL)

    assert again.returncode == 0, again.stderr
    assert "loss" not in again.stdout
    assert (whole[0] / "model.npz").read_bytes() == before


def test_out_of_time_and_damaged(tmp_path: Path) -> None:
    now = datetime.now(UTC).isoformat()
    stopped = program("train", "--checkpoints", tmp_path, *SMALL, "--stop-at", now)

    assert stopped.returncode == 75
    assert "out of time: saved at step 0 of 40" in stopped.stdout
    assert not (tmp_path / "model.npz").exists()

    (tmp_path / "checkpoint.npz").write_bytes((tmp_path / "checkpoint.npz").read_bytes()[:5000])
    damaged = program("train", "--checkpoints", tmp_path, *SMALL)
    assert damaged.returncode == 1
    assert "checkpoint.npz is damaged: remove it to begin anew" in damaged.stderr


def test_documents_become_tokens(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    texts = [f"Document number {n}: " + "words and words " * 5 for n in range(60)]
    for n, text in enumerate([*texts, texts[0], "too short", f"{texts[1]}  "]):
        (tmp_path / "documents" / f"{n:03}.txt").write_text(text)

    assert (
        program(
            "tokenise", "--documents", tmp_path / "documents", "--out", tmp_path / "tokens"
        ).returncode
        == 0
    )
    first = {name: np.load(tmp_path / "tokens" / f"{name}.npy") for name in ("train", "held_out")}
    lengths = sum(len(text.strip()) for text in texts)
    separators = 2 * (len(texts) - 2) + 2
    assert len(first["train"]) + len(first["held_out"]) == lengths + separators, (
        "each once, none lost"
    )
    assert 0 < len(first["held_out"]) < len(first["train"]) / 2

    program("tokenise", "--documents", tmp_path / "documents", "--out", tmp_path / "tokens")
    for name, tokens in first.items():
        assert np.array_equal(np.load(tmp_path / "tokens" / f"{name}.npy"), tokens), (
            "the same again"
        )


@pytest.fixture(scope="module")
def models(whole: tuple[Path, str]) -> Path:
    """A folder with two models: "good" is the one that learnt longer than "poor"."""
    data = whole[0].parent
    done = program("train", "--checkpoints", data / "poor", "--steps", "5")
    assert done.returncode == 0, done.stderr
    return data


def test_perplexity_tells_the_better_model(models: Path, tmp_path: Path) -> None:
    text = (
        "The print function writes its arguments to the text stream, separated by sep and "
        "followed by end. "
    ) * 40
    sys.path.insert(0, str(EXAMPLES / "trainer"))
    try:
        from text import encode  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(EXAMPLES / "trainer"))
    np.save(tmp_path / "held_out.npy", encode(text))
    (models / "serving").mkdir(exist_ok=True)
    (models / "serving" / "current").write_text("poor")

    done = program(
        "evaluate",
        "--model",
        models / "good",
        "--corpus",
        tmp_path / "held_out.npy",
        "--data",
        models,
    )

    assert done.returncode == 0, done.stderr
    metrics = json.loads((models / "good" / "metrics.json").read_text())
    assert 1 < metrics["perplexity"] < metrics["perplexity_in_service"] < 96


def test_serving(models: Path, tmp_path: Path) -> None:
    (models / "serving").mkdir(exist_ok=True)
    (models / "serving" / "current").write_text("poor")
    port = free_port()
    command = [
        sys.executable,
        EXAMPLES / "trainer" / "serve.py",
        "--data",
        models,
        "--port",
        str(port),
    ]
    service = Service("serving", command, env=environment(), log=tmp_path / "log")
    try:
        wait_until("the service to answer", lambda: health(port))
        assert health(port) == {"model": "poor"}

        (models / "serving" / "current").write_text("good")
        assert health(port) == {"model": "poor"}, "nothing changes until it is asked to"
        assert post(port, "/reload", {}) == (200, {"model": "good"})
        status, answer = post(port, "/generate", {"prompt": "The ", "length": 30})
        assert (status, answer["model"], len(answer["text"])) == (200, "good", 30)

        (models / "serving" / "current").write_text("missing")
        status, answer = post(port, "/reload", {})
        assert (status, answer["model"]) == (409, "good"), "who cannot be loaded does not take over"
        assert health(port) == {"model": "good"}
        assert post(port, "/generate", {})[0] == 400
        assert post(port, "/nonsense", {})[0] == 404
    finally:
        service.kill()


def health(port: int) -> Any:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=20).json()
    except requests.ConnectionError:
        return None


def post(port: int, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    answer = requests.post(f"http://127.0.0.1:{port}{path}", json=body, timeout=60)
    return answer.status_code, answer.json()
