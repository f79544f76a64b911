"""What the API server refuses.

One table for the stand-in and, where one is named, for a real server: dry runs only.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.cluster_client import Asked

GPU = "nvidia.com/gpu"
INVALID, MISSING, UNSUPPORTED, ABSENT = (
    "FieldValueInvalid",
    "FieldValueRequired",
    "FieldValueNotSupported",
    "FieldValueNotFound",
)

# What is changed in a good pod; and of each cause: where it is, its reason, and words of its
# message.
REFUSED = [
    (
        {"limits": {GPU: "500m"}},
        f"spec.containers[0].resources.limits[{GPU}]",
        INVALID,
        "must be an integer",
    ),
    (
        {"limits": {GPU: 2}, "requests": {GPU: 1}},
        "spec.containers[0].resources.requests",
        INVALID,
        f"must be equal to {GPU} limit of 2",
    ),
    ({"requests": {GPU: 1}}, "spec.containers[0].resources.limits", MISSING, "Limit must be set"),
    (
        {"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}},
        "spec.containers[0].resources.requests",
        INVALID,
        "must be less than or equal to cpu limit of 1",
    ),
    (
        {"limits": {"gpu": 1}},
        "spec.containers[0].resources.limits[gpu]",
        INVALID,
        "fully qualified",
    ),
    (
        {"activeDeadlineSeconds": 0},
        "spec.activeDeadlineSeconds",
        INVALID,
        "must be between 1 and 2147483647",
    ),
    (
        {"activeDeadlineSeconds": -5},
        "spec.activeDeadlineSeconds",
        INVALID,
        "must be between 1 and 2147483647",
    ),
    (
        {"terminationGracePeriodSeconds": -1},
        "spec.terminationGracePeriodSeconds",
        INVALID,
        "greater than or equal to 0",
    ),
    (
        {"restartPolicy": "Sometimes"},
        "spec.restartPolicy",
        UNSUPPORTED,
        '"Always", "OnFailure", "Never"',
    ),
    ({"name": "GPU_Training"}, "metadata.name", INVALID, "lowercase RFC 1123 subdomain"),
    (
        {"labels": {"run_id": "manual__2026-11-21T10:00:00+00:00"}},
        "metadata.labels",
        INVALID,
        "valid label",
    ),
    ({"labels": {"run": "x" * 64}}, "metadata.labels", INVALID, ""),
    ({"container": "Base_1"}, "spec.containers[0].name", INVALID, "lowercase RFC 1123 label"),
    ({"image": ""}, "spec.containers[0].image", MISSING, "Required value"),
    (
        {"mounts": [{"name": "data", "mountPath": "/data"}]},
        "spec.containers[0].volumeMounts[0].name",
        ABSENT,
        "data",
    ),
    (
        {"tolerations": [{"key": GPU, "operator": "Exists", "value": "present"}]},
        "spec.tolerations[0].operator",
        INVALID,
        "value must be empty when `operator` is 'Exists'",
    ),
    (
        {"tolerations": [{"operator": "Equal", "value": "present"}]},
        "spec.tolerations[0].operator",
        INVALID,
        "operator must be Exists when `key` is empty",
    ),
    (
        {"tolerations": [{"key": GPU, "operator": "Is"}]},
        "spec.tolerations[0].operator",
        UNSUPPORTED,
        '"Equal", "Exists"',
    ),
    (
        {"tolerations": [{"key": GPU, "operator": "Exists", "effect": "Never"}]},
        "spec.tolerations[0].effect",
        UNSUPPORTED,
        '"NoSchedule", "PreferNoSchedule", "NoExecute"',
    ),
    (
        {
            "tolerations": [
                {"key": GPU, "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 60}
            ]
        },
        "spec.tolerations[0].effect",
        INVALID,
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
    ),
]


@pytest.mark.parametrize(
    ("change", "field", "reason", "words"), REFUSED, ids=lambda value: str(value)[:40]
)
def test_refused(asked: Asked, change: dict[str, Any], field: str, reason: str, words: str) -> None:
    code, status = create(asked, changed(change))

    assert code == 422
    assert status["reason"] == "Invalid"
    causes = {cause["field"]: cause for cause in status["details"]["causes"]}
    assert field in causes
    assert causes[field]["reason"] == reason
    assert words in causes[field]["message"]


@pytest.mark.parametrize(
    "change",
    [
        {"activeDeadlineSeconds": "600"},
        {"limits": {GPU: "one"}},
        {"env": [{"name": "EPOCHS", "value": 3}]},
    ],
    ids=str,
)
def test_cannot_be_decoded(asked: Asked, change: dict[str, Any]) -> None:
    code, status = create(asked, changed(change))

    assert (code, status["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"limits": {GPU: "1"}, "requests": {GPU: 1}},
        {
            "limits": {GPU: 1, "cpu": "2", "memory": "4Gi"},
            "requests": {"cpu": "500m", "memory": "1Gi"},
        },
        {"activeDeadlineSeconds": 1},
        {"tolerations": [{"operator": "Exists"}]},
        {"tolerations": [{"key": GPU, "value": "present", "effect": "NoSchedule"}]},
        {
            "tolerations": [
                {"key": GPU, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
            ]
        },
    ],
    ids=str,
)
def test_taken(asked: Asked, change: dict[str, Any]) -> None:
    code, pod = create(asked, changed(change))

    assert code == 201, pod
    limits = change.get("limits")
    if limits:
        requests = pod["spec"]["containers"][0]["resources"]["requests"]
        assert str(requests[GPU]) == str(limits[GPU]), "a GPU that is limited is requested"


def test_all_that_is_wrong_is_said_at_once(asked: Asked) -> None:
    _, status = create(
        asked, changed({"activeDeadlineSeconds": 0, "limits": {GPU: "0.5"}, "image": ""})
    )

    assert {cause["field"] for cause in status["details"]["causes"]} == {
        "spec.activeDeadlineSeconds",
        "spec.containers[0].image",
        f"spec.containers[0].resources.limits[{GPU}]",
    }


def changed(change: dict[str, Any]) -> dict[str, Any]:
    """A good pod, but for *change*."""
    change = dict(change)
    container: dict[str, Any] = {
        "name": change.pop("container", "base"),
        "image": change.pop("image", "trainer:1"),
    }
    resources = {name: change.pop(name) for name in ("limits", "requests") if name in change}
    container |= {"resources": resources} if resources else {}
    container |= {"volumeMounts": change.pop("mounts")} if "mounts" in change else {}
    container |= {"env": change.pop("env")} if "env" in change else {}
    metadata = {"name": change.pop("name", "good"), "labels": change.pop("labels", {})}
    spec = {"restartPolicy": "Never", "containers": [container], **change}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def create(asked: Asked, pod: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The server's answer to a dry run, as it came."""
    from kubernetes.client import ApiException

    try:
        answer = asked.client.create_namespaced_pod(
            asked.namespace, pod, dry_run="All", _preload_content=False
        )
    except ApiException as error:
        return int(error.status), json.loads(error.body)
    return int(answer.status), json.loads(answer.data)
