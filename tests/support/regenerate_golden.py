"""Write the golden files again, from the project's folder.

Run ``python -m tests.support.regenerate_golden [--force]``.

The serialized form is a contract: DAGs stored by an older version are read by a newer one. Without
``--force`` only new files and added keys are written, and anything else is refused.
"""

from __future__ import annotations

import sys

from tests.support import golden_files
from tests.support.schedules import SCHEDULES


def main(force: bool) -> int:
    """Write the files, and return the exit code: 1 where something was refused."""
    refused = 0
    for name in SCHEDULES:
        if golden_files.file_of(name).exists():
            wrong = golden_files.breaks(golden_files.load(name), golden_files.current(name))
            if wrong and not force:
                sys.stderr.write(
                    f"{name}: the stored form would change:\n  " + "\n  ".join(wrong) + "\n"
                )
                refused = 1
                continue
        golden_files.write(name)
    for file in golden_files.FOLDER.glob("*.json"):
        if file.stem not in SCHEDULES:
            sys.stderr.write(f"{file.name} belongs to no schedule\n")
            refused = 1
    return refused


if __name__ == "__main__":
    sys.exit(main("--force" in sys.argv[1:]))
