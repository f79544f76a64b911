"""Google Calendar's API by the Google provider's hook, in the process that has the Connection: who asks, and refusals.

https://developers.google.com/workspace/calendar/api/guides/errors
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from calendar_timetable.calendars.net.client import DownloadFailed, refusal
from calendar_timetable.calendars.sources.base import parse_retry_after
from calendar_timetable.calendars.sources.cloud import CONN_ID, texts

Event = dict[str, Any]
PAGE = 2500  # events: the most that Google allows
_BUSY = ("rateLimitExceeded", "userRateLimitExceeded")  # for a moment; the other quotas are of a day
_QUOTA = (*_BUSY, "quotaExceeded", "dailyLimitExceeded")
_QUOTA_WAIT = "60"  # seconds, where Google names none: its quotas are per minute
_WORDS = {404: "no such calendar, or it is not shared with the Connection's account"}


class Refused(DownloadFailed):
    """An answer that says no: Google's own word for why, whether it is *busy*, and how long it says to *wait*."""

    def __init__(self, words: str, status: int, reason: str, retry_after: str) -> None:
        quota = status == 429 or (status == 403 and reason in _QUOTA)
        words = "Google's quota is used up for now" if quota else words
        shown = f"HTTP {status}: {words}" if words else refusal(status)
        super().__init__(shown, status, retry_after or (_QUOTA_WAIT if quota else ""))
        self.reason, self.wait = reason, parse_retry_after(retry_after)
        self.busy = status >= 500 or status == 429 or (status == 403 and reason in _BUSY)


class Google:
    """The API as the Connection of this process may use it, within *scope*: to *do* something."""

    def __init__(self, scope: str, do: str) -> None:
        from airflow.exceptions import AirflowException  # type: ignore[attr-defined]
        from airflow.providers.google.common.hooks.base_google import get_field
        from airflow.providers.google.suite.hooks.calendar import GoogleCalendarHook
        from google.auth.exceptions import GoogleAuthError

        hook = GoogleCalendarHook(api_version="v3", gcp_conn_id=CONN_ID)
        if not get_field(hook.extras, "scope"):
            hook.extras["scope"] = scope  # the provider's own default lets nobody at calendars
        try:
            self.events: Any = hook.get_conn().events()
        except (AirflowException, GoogleAuthError, LookupError, ValueError) as error:
            shown = type(error).__name__
            reason = f"the Connection's credentials cannot be used ({shown}): paste the whole key into Keyfile JSON"
            raise DownloadFailed(reason) from None
        self._words = {
            "accessNotConfigured": "the Google Calendar API is not enabled in the account's project: enable it there",
            "insufficientPermissions": f"the Connection's Scopes do not let it {do}: empty them, or add {scope}",
            "requiredAccessLevel": f"the calendar's sharing does not let the Connection's account {do}",
        }

    def answer(self, request: Any, kind: str, retries: int = 0) -> Event:
        """What Google answers, which is a *kind* of resource; with *retries* where it is busy. :class:`Refused`."""
        from google.auth.exceptions import RefreshError
        from googleapiclient.errors import HttpError

        try:
            answer = request.execute(num_retries=retries)
        except HttpError as error:
            raise self._refusal(int(error.resp.status), error.content, error.resp.get("retry-after", "")) from None
        except RefreshError as error:
            known = re.search(r"\binvalid_[a-z]+|\bunauthorized_client\b", str(error))
            code = f" ({known.group()})" if known else ""
            raise DownloadFailed(f"Google does not accept the Connection's credentials{code}") from None
        if kind and texts(answer, "kind") != kind:
            raise DownloadFailed("the answer is not one of Google Calendar: is a proxy in between?")
        found: Event = answer
        return found

    def _refusal(self, status: int, content: bytes, retry_after: str) -> Refused:
        reason = ""
        with suppress(ValueError, LookupError, TypeError):
            reason = str(json.loads(content)["error"]["errors"][0]["reason"])
        return Refused(self._words.get(reason, _WORDS.get(status, "")), status, reason, retry_after)
