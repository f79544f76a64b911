"""Airflow's notifiers, named by their path and called outside of any task."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from copy import copy
from importlib import import_module
from typing import Any

log = logging.getLogger(__name__)
_SECONDS = 60  # that one notifier may take


def load_object(path: str) -> Any:
    """Return what *path* names, as ``my_company.notifiers.TeamChat``."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def is_async(notifier: Any) -> bool:
    """Tell whether *notifier* is one of Airflow's that is to be awaited."""
    from airflow.sdk import BaseNotifier

    method = getattr(type(notifier), "async_notify", None)
    return inspect.iscoroutinefunction(method) and method is not BaseNotifier.async_notify


def notify(path: str, context: dict[str, Any]) -> None:
    """Have what *path* names tell of *context*.

    That is a notifier class that needs no arguments, a notifier, or a function of one argument. It
    may take a minute. What goes wrong is logged, and raised to nobody.
    """
    failed: list[BaseException] = []

    def call() -> None:
        try:
            asyncio.run(_call(path, dict(context)))
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    # A thread that hangs does not keep the process from ending.
    thread = threading.Thread(target=call, daemon=True, name=f"notifier {path}")
    thread.start()
    thread.join(_SECONDS)
    if thread.is_alive():
        log.error("The notifier %s is not done after %s s, and is left to itself", path, _SECONDS)
    elif failed:
        log.error("The notifier %s failed: %s", path, _in_words(failed[0]), exc_info=failed[0])


async def _call(path: str, context: dict[str, Any]) -> None:
    target = load_object(path)
    # A notifier renders its templates in itself: another message would find them rendered.
    notifier = target() if isinstance(target, type) else copy(target)
    if is_async(notifier):
        notifier.context = context
        await notifier
        return
    result = notifier(context)
    if inspect.isawaitable(result):
        await result


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
