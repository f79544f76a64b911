"""For libraries that this one is to get on with: ``make test-neighbours`` brings them.

Each test of a library is left out where that is not installed, as in the other tests' environments.
"""

from __future__ import annotations

import os

os.environ["DO_NOT_TRACK"] = "1"  # dag-factory and Cosmos would tell their makers
