"""Arrays in object storage, passed between tasks by reference."""

from __future__ import annotations

import io
from typing import Any

from airflow.sdk import ObjectStoragePath


def save(place: ObjectStoragePath, **arrays: Any) -> str:
    """Write the arrays as one file, whole or not at all; the reference to it."""
    import numpy as np

    memory = io.BytesIO()
    np.savez(memory, **arrays)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.parent / f".{place.name}.draft"
    draft.write_bytes(memory.getvalue())
    draft.replace(place)
    return str(place)


def load(reference: str) -> dict[str, Any]:
    """What :func:`save` wrote."""
    import numpy as np

    with np.load(
        io.BytesIO(ObjectStoragePath(reference).read_bytes()), allow_pickle=False
    ) as arrays:
        return dict(arrays)
