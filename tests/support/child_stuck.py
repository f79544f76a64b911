"""A child process that waits, as on a server that does not answer.

Its name says once its bounds are in place.
"""

from __future__ import annotations

import time
from pathlib import Path

from calendar_timetable.calendars.child_process import Message, serve_child


def _wait(request: Message, body: bytes) -> tuple[Message, bytes]:
    Path("/proc/self/comm").write_text("ready")
    time.sleep(request["seconds"])
    return {}, body


if __name__ == "__main__":
    serve_child(_wait, 1024**3, 600)
