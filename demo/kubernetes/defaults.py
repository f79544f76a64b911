"""What the API server fills in, and what this one does not do."""

from __future__ import annotations

import copy

from demo.kubernetes.store import Json


def filled_in(given: Json) -> Json:
    """Return a valid Pod or Job with the defaults that matter here, and a first status."""
    made = copy.deepcopy(given)
    spec = _pod_spec(made)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        if limits := resources.get("limits"):
            container["resources"] = {
                **resources,
                "requests": {**limits, **(resources.get("requests") or {})},
            }
    made["status"] = {} if made["kind"] == "Job" else {"phase": "Pending"}
    return made


def not_done_here(given: Json) -> str | None:
    """Why this valid Pod or Job cannot run on a stand-in."""
    spec = _pod_spec(given)
    if len(spec["containers"]) > 1 or spec.get("initContainers"):
        return "this stand-in runs pods of one container"
    job = given["spec"] if given["kind"] == "Job" else {}
    if (job.get("parallelism") or 1) != 1 or (job.get("completions") or 1) != 1:
        return "this stand-in runs Jobs of one pod at a time"
    return None


def _pod_spec(thing: Json) -> Json:
    spec: Json = thing["spec"]["template"]["spec"] if thing["kind"] == "Job" else thing["spec"]
    return spec
