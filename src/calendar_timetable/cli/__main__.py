"""``python -m calendar_timetable.cli``."""

from __future__ import annotations

import sys

from calendar_timetable.cli import main

sys.exit(main())
