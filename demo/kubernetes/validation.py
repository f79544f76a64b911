"""What a real API server refuses of a Pod or Job, in its words.

The words are of ``pkg/apis/core/validation`` of Kubernetes 1.34.

Only what pods of our kind use; a field unknown here is taken as it is, as the real server does by
default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

Json = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123 label
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(m|k|[KMGTPE]i?|[eE][+-]?\d+)?")
_STANDARD = {"cpu", "memory", "ephemeral-storage"}
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MOST = 2**31 - 1
_UNITS = {"m": Decimal("0.001"), "k": Decimal(1000)}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", 2)}
_UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}


class Malformed(ValueError):
    """What cannot be decoded at all: answered with 400, not with 422."""


class Cause(NamedTuple):
    """One thing that is wrong."""

    field: str
    reason: str
    message: str


def quantity(text: object) -> Decimal:
    """Return ``"500m"``, ``"4Gi"`` or ``2`` as a number.

    Raises :class:`Malformed` where Kubernetes would not read it.
    """
    found = _QUANTITY.fullmatch(str(text)) if isinstance(text, str | int | float) else None
    if found is None:
        raise Malformed(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, unit = found.groups()
    if unit and unit[0] in "eE" and len(unit) > 1 and unit[1] != "i":
        return Decimal(number + unit)
    return Decimal(number) * _UNITS.get(unit or "", Decimal(1))


def pod_causes(pod: Json) -> list[Cause]:
    """All that is wrong with a Pod."""
    return [
        *_metadata(pod.get("metadata") or {}, "metadata"),
        *_pod_spec(pod.get("spec") or {}, "spec"),
    ]


def job_causes(job: Json) -> list[Cause]:
    """All that is wrong with a Job."""
    spec = job.get("spec") or {}
    causes = _metadata(job.get("metadata") or {}, "metadata")
    for name in (
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ):
        causes += _at_least(spec, name, f"spec.{name}", 0)
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    causes += _labels(
        (template.get("metadata") or {}).get("labels"), "spec.template.metadata.labels"
    )
    causes += _pod_spec(pod, "spec.template.spec")
    if pod.get("restartPolicy") == "Always":
        causes.append(
            _unsupported("spec.template.spec.restartPolicy", "Always", ("OnFailure", "Never"))
        )
    return causes


def _metadata(metadata: Json, path: str) -> list[Cause]:
    name = metadata.get("name") or metadata.get("generateName", "").rstrip("-")
    causes = _labels(metadata.get("labels"), f"{path}.labels")
    if not name:
        causes.append(
            Cause(
                f"{path}.name",
                "FieldValueRequired",
                "Required value: name or generateName is required",
            )
        )
    elif not _SUBDOMAIN.fullmatch(name) or len(name) > 253:
        causes.append(
            _invalid(
                f"{path}.name", name, "a lowercase RFC 1123 subdomain must consist of lower case "
            )
        )
    return causes


def _labels(labels: Mapping[str, str] | None, path: str) -> list[Cause]:
    causes = []
    for key, value in (labels or {}).items():
        if not _is_key(key):
            causes.append(
                _invalid(
                    path, key, "name part must consist of alphanumeric characters, '-', '_' or '.'"
                )
            )
        if not isinstance(value, str):
            raise Malformed(
                f"json: cannot unmarshal into Go struct field ObjectMeta.{path} of type string"
            )
        if not _VALUE.fullmatch(value) or len(value) > 63:
            causes.append(
                _invalid(
                    path, value, "a valid label must be an empty string or consist of alphanumeric"
                )
            )
    return causes


def _pod_spec(spec: Json, path: str) -> list[Cause]:
    volumes = [volume.get("name", "") for volume in spec.get("volumes") or ()]
    causes = [
        cause
        for n, name in enumerate(volumes)
        for cause in _name(name, f"{path}.volumes[{n}].name")
    ]
    containers = spec.get("containers") or []
    if not containers:
        causes.append(Cause(f"{path}.containers", "FieldValueRequired", "Required value"))
    for kind in ("initContainers", "containers"):
        for n, container in enumerate(spec.get(kind) or ()):
            causes += _container(container, f"{path}.{kind}[{n}]", volumes)
    policy = spec.get("restartPolicy", "Always")
    if policy not in ("Always", "OnFailure", "Never"):
        causes.append(
            _unsupported(f"{path}.restartPolicy", policy, ("Always", "OnFailure", "Never"))
        )
    if (
        deadline := _integer(spec, "activeDeadlineSeconds")
    ) is not None and not 1 <= deadline <= _MOST:
        causes.append(
            _invalid(
                f"{path}.activeDeadlineSeconds",
                deadline,
                f"must be between 1 and {_MOST}, inclusive",
            )
        )
    causes += _at_least(
        spec, "terminationGracePeriodSeconds", f"{path}.terminationGracePeriodSeconds", 0
    )
    causes += _labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    for n, toleration in enumerate(spec.get("tolerations") or ()):
        causes += _toleration(toleration, f"{path}.tolerations[{n}]")
    return causes


def _container(container: Json, path: str, volumes: Sequence[str]) -> Iterator[Cause]:
    yield from _name(container.get("name", ""), f"{path}.name")
    image = container.get("image")
    if not image:
        yield Cause(f"{path}.image", "FieldValueRequired", "Required value")
    elif image != image.strip():
        yield _invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    mounted = set()
    for n, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{n}]"
        if mount.get("name") not in volumes:
            yield Cause(
                f"{where}.name", "FieldValueNotFound", f'Not found: "{mount.get("name", "")}"'
            )
        if not mount.get("mountPath"):
            yield Cause(f"{where}.mountPath", "FieldValueRequired", "Required value")
        elif mount["mountPath"] in mounted:
            yield _invalid(f"{where}.mountPath", mount["mountPath"], "must be unique")
        mounted.add(mount.get("mountPath"))
    for n, variable in enumerate(container.get("env") or ()):
        if not variable.get("name"):
            yield Cause(f"{path}.env[{n}].name", "FieldValueRequired", "Required value")
        if not isinstance(variable.get("value", ""), str):
            raise Malformed(
                "json: cannot unmarshal into Go struct field EnvVar.spec.containers.env.value of "
                "type string"
            )
    yield from _resources(container.get("resources") or {}, f"{path}.resources")


def _resources(resources: Json, path: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            where, number = f"{path}.{kind}[{name}]", quantity(amount)
            if name not in _STANDARD and ("/" not in name or not _is_key(name)):
                yield _invalid(where, name, "must be a standard resource type or fully qualified")
            if number < 0:
                yield _invalid(where, amount, "must be greater than or equal to 0")
            if "/" in name and number % 1:
                yield _invalid(where, amount, "must be an integer")
    for name, amount in requests.items():
        limit = limits.get(name)
        if "/" in name and limit is None:
            yield Cause(
                f"{path}.limits",
                "FieldValueRequired",
                "Required value: Limit must be set for non overcommitable resources",
            )
        elif "/" in name and quantity(amount) != quantity(limit):
            yield _invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
        elif limit is not None and quantity(amount) > quantity(limit):
            yield _invalid(
                f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}"
            )


def _toleration(toleration: Json, path: str) -> Iterator[Cause]:
    key, operator, value = (
        toleration.get("key", ""),
        toleration.get("operator") or "Equal",
        toleration.get("value", ""),
    )
    effect = toleration.get("effect", "")
    if key and not _is_key(key):
        yield _invalid(
            f"{path}.key", key, "name part must consist of alphanumeric characters, '-', '_' or '.'"
        )
    if not key and operator != "Exists":
        yield _invalid(
            f"{path}.operator",
            operator,
            (
                "operator must be Exists when `key` is empty, "
                'which means "match all values and all keys"'
            ),
        )
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield _invalid(
            f"{path}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"
        )
    if operator == "Exists" and value:
        yield _invalid(
            f"{path}.operator", operator, "value must be empty when `operator` is 'Exists'"
        )
    elif operator == "Equal" and (not _VALUE.fullmatch(value) or len(value) > 63):
        yield _invalid(
            f"{path}.operator",
            value,
            "a valid label must be an empty string or consist of alphanumeric",
        )
    elif operator not in ("Exists", "Equal"):
        yield _unsupported(f"{path}.operator", operator, ("Equal", "Exists"))
    if effect and effect not in _EFFECTS:
        yield _unsupported(f"{path}.effect", effect, _EFFECTS)


def _name(name: str, path: str) -> list[Cause]:
    if not name:
        return [Cause(path, "FieldValueRequired", "Required value")]
    if not _LABEL.fullmatch(name):
        return [
            _invalid(
                path,
                name,
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters",
            )
        ]
    return []


def _is_key(key: str) -> bool:
    prefix, _, name = key.rpartition("/")
    good = bool(name) and len(name) <= 63 and bool(_VALUE.fullmatch(name))
    return good and (not prefix or (len(prefix) <= 253 and bool(_SUBDOMAIN.fullmatch(prefix))))


def _integer(holder: Json, name: str) -> int | None:
    value = holder.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise Malformed(
            f"json: cannot unmarshal {type(value).__name__} "
            f"into Go struct field {name} of type int64"
        )
    return value


def _at_least(holder: Json, name: str, path: str, least: int) -> list[Cause]:
    value = _integer(holder, name)
    if value is None or value >= least:
        return []
    return [_invalid(path, value, f"must be greater than or equal to {least}")]


def _invalid(path: str, value: object, why: str) -> Cause:
    said = f'"{value}"' if isinstance(value, str) else value
    return Cause(path, "FieldValueInvalid", f"Invalid value: {said}: {why}")


def _unsupported(path: str, value: object, supported: Sequence[str]) -> Cause:
    named = ", ".join(f'"{name}"' for name in supported)
    return Cause(
        path, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {named}'
    )
