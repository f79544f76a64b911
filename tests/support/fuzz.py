"""Fuzzing led by coverage.

``make fuzz``, or ``python -m tests.support.fuzz [folder] [libFuzzer's options]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["calendar_timetable"], enable_loader_override=False):
    from tests.support.fuzzing import ANSWER, CHECKS, SEED

DICTIONARY = (
    "BEGIN END VEVENT VTIMEZONE VFREEBUSY VAVAILABILITY "
    "DTSTART DTEND DURATION RRULE RDATE EXDATE TZID VALUE=DATE FREQ= BYDAY="
)


def main() -> None:
    """Fuzz until libFuzzer ends; a finding is kept in the folder as ``crash-…``."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
    options = sys.argv[1:]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate((SEED, ANSWER)):
            for check in range(len(CHECKS)):
                (folder / f"seed-{number}-{check}").write_bytes(bytes([check]) + seed)
        words = folder.with_suffix(".dict")
        words.write_text("".join(f'"{word}"\n' for word in DICTIONARY.split()))
        options += [f"-dict={words}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, "-max_len=8192", "-timeout=30"], _one)
    atheris.Fuzz()


def _one(data: bytes) -> None:
    if data:
        CHECKS[data[0] % len(CHECKS)](data[1:])


if __name__ == "__main__":
    main()
