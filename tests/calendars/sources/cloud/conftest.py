"""An internet of the test's own."""

from __future__ import annotations

from tests.support.google_service import net  # noqa: F401
