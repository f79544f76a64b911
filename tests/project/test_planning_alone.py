"""What lies in tests/planning needs no Airflow: it passes where ``import airflow`` fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class NoAirflow(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "airflow" or name.startswith("airflow."):
            raise ModuleNotFoundError("No module named 'airflow'", name="airflow")

sys.meta_path.insert(0, NoAirflow())
assert "airflow" not in sys.modules
try:
    import airflow
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("the finder does not hide Airflow")
"""


def test_the_tests_of_planning_pass_without_airflow(tmp_path: Path) -> None:
    (tmp_path / "without_airflow.py").write_text(WITHOUT)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "without_airflow",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-m", "not slow", "tests/planning"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "HYPOTHESIS_PROFILE": "touch"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
