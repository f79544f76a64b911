"""DAG files as they are in a folder, or were in a git revision, which is exported for the time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from calendar_timetable.exceptions import InvalidArgument

_GIT_SECONDS = 300


@dataclass(frozen=True)
class DagSource:
    """A folder of DAG files.

    *root* is what it was exported from, where it was: its files are to find there what they would
    find in the repository, by the *python_path* and the working directory *cwd*.
    """

    place: Path
    root: Path
    cwd: Path
    python_path: dict[str, str] = field(default_factory=dict)  # by what each place replaces


@contextmanager
def dag_source(name: str, text: str, path: str | None, into: Path) -> Iterator[DagSource]:
    """Give the DAG files that *text*, the value of the argument *name*, stands for.

    That is a folder, or a revision of the repository in the working directory, of which the folder
    *path* counts, or the one after a colon (``main:dags``). A revision is exported below *into*.
    Raises :class:`InvalidArgument` where it is neither.
    """
    folder = Path(text).absolute()
    if folder.is_dir():
        yield DagSource(folder.resolve(), folder.resolve(), Path.cwd())
        return
    try:
        top = _git(Path.cwd(), "rev-parse", "--show-toplevel")
    except _GitFailed as error:
        remedy = f"there is no such folder, and the working directory is no git repository: {error}"
        raise InvalidArgument(name, text, remedy) from None
    commit, inside = _commit(Path.cwd(), text)
    if commit is None:
        remedy = "there is no such folder or git revision; in CI, fetch the history it is in"
        raise InvalidArgument(name, text, remedy)
    with tempfile.TemporaryDirectory(dir=into) as scratch:
        yield _exported(
            name, text, commit, inside or path or ".", Path(top), Path(scratch).resolve()
        )


def _exported(
    name: str, text: str, commit: str, inside: str, top: Path, scratch: Path
) -> DagSource:
    root = scratch / "files"
    root.mkdir()
    # An index of its own: neither the repository's index nor its working tree is touched. What
    # .gitattributes keeps out of archives is here as in a checkout.
    apart = {"GIT_INDEX_FILE": str(scratch / "index"), "GIT_WORK_TREE": str(root)}
    for step in (("read-tree", commit), ("checkout-index", "--all", "--quiet")):
        try:
            _git(top, *step, **apart)
        except _GitFailed as error:
            raise InvalidArgument(name, text, f"it cannot be exported: {error}") from None
    place = (root / inside).resolve()
    if not place.is_dir() or not place.is_relative_to(root):
        raise InvalidArgument(name, text, f"there is no folder {inside!r} in this revision")
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    copies = {path: _counterpart(Path(path), top, root) for path in filter(None, paths)}
    python_path = {path: str(copy) for path, copy in copies.items() if copy is not None}
    return DagSource(place, root, _counterpart(Path.cwd(), top, root) or root, python_path)


def _counterpart(path: Path, top: Path, root: Path) -> Path | None:
    """Return where *path*, if it is in the repository at *top*, is in its export at *root*."""
    with suppress(ValueError):
        place = root / path.absolute().resolve().relative_to(top.resolve())
        return place if place.exists() else None
    return None


def _commit(folder: Path, text: str) -> tuple[str | None, str]:
    """Return the commit that *text* names, and the path after a colon, if there is one."""
    ends = [len(text), *(at for at, char in enumerate(text) if at and char == ":")]
    for end in ends:
        revision = f"{text[:end]}^{{commit}}"
        with suppress(_GitFailed):
            commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", revision)
            return commit, text[end + 1 :]
    return None, ""


class _GitFailed(Exception):
    """Git does not do it; the text says why."""


def _git(folder: Path, *arguments: str, **environment: str) -> str:
    """Return what git says. Raises :class:`_GitFailed`, also where there is no git."""
    try:
        process = subprocess.run(  # noqa: S603  (no shell, and revisions are checked as such)
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise _GitFailed(f"git cannot be run ({type(error).__name__})") from None
    if process.returncode:
        raise _GitFailed(next(iter(process.stderr.strip().splitlines()), "git failed"))
    return process.stdout.strip()


@contextmanager
def terminated_cleanly() -> Iterator[None]:
    """Let SIGTERM end this process by an exception, so that what is of the moment is removed."""

    def end(signum: int, frame: object) -> NoReturn:
        sys.exit(128 + signum)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
