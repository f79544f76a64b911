"""What ``kubectl describe`` shows at the end: events, as objects of the cluster."""

from __future__ import annotations

from demo.kubernetes.store import Json, Store, timestamp


def record_event(store: Store, thing: Json, kind: str, reason: str, message: str) -> None:
    """Note that something happened to a Pod or Job; ``kind`` is "Normal" or "Warning"."""
    metadata, now = thing["metadata"], timestamp()
    about = {name: metadata[name] for name in ("namespace", "name", "uid")}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}."},
        "involvedObject": {"apiVersion": thing["apiVersion"], "kind": thing["kind"], **about},
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": "local"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    store.create("Event", metadata["namespace"], event)
