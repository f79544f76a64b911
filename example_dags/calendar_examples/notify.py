"""Tell the team, where it reads: failures and missed deadlines."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook, BaseNotifier
from airflow.sdk.exceptions import AirflowNotFoundException

CONNECTION = "team_chat"


class TellTheTeam(BaseNotifier):
    """Post a message to the webhook in the Connection ``team_chat`` (Slack, Mattermost).

    Without that Connection it logs the message.

    Both as ``on_failure_callback=TellTheTeam("…")`` and in a deadline, as
    ``SyncCallback(TellTheTeam, kwargs={"message": "…"})``. The address is a secret: put it in the
    Connection's Password.
    """

    template_fields = ("message",)

    def __init__(self, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    def notify(self, context: Any) -> None:
        self.log.warning("For the team: %s", self.message)
        try:
            webhook = BaseHook.get_connection(CONNECTION).password
        except AirflowNotFoundException:
            return
        if webhook:
            import requests

            requests.post(webhook, json={"text": self.message}, timeout=10).raise_for_status()
