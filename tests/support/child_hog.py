"""A child process that uses what it is told to: memory in bytes, or processor time without end."""

from __future__ import annotations

from calendar_timetable.calendars.child_process import Message, serve_child


def _hog(request: Message, body: bytes) -> tuple[Message, bytes]:
    held = bytearray(request["bytes"])
    while request["spin"]:
        pass
    return {"held": len(held)}, body


if __name__ == "__main__":
    serve_child(_hog, 256 * 1024**2, 1)
