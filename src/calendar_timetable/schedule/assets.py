"""Assets that runs wait for, beside their due times: what Airflow 3.4 calls asset-gated."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow.timetables.base import Timetable

from calendar_timetable.exceptions import InvalidArgument

if TYPE_CHECKING:
    from airflow.serialization.definitions.assets import SerializedAssetBase

_TOO_OLD = (
    "needs Airflow 3.4; before that put CalendarTimetable into AssetOrTimeSchedule, which means "
    "OR, or let tasks wait at a CalendarGate"
)
_REMEDY = "give an Asset, several joined by & and |, or a list of those that must all be there"


def encode_assets(assets: Any) -> dict[str, Any] | None:
    """Return *assets*, as a DAG file has them, as JSON; ``None`` stands for no assets.

    Raises :class:`InvalidArgument` where they cannot be used, or this Airflow asks for none.
    """
    if assets is None:
        return None
    # What a scheduler looks up on a timetable; an older one would start runs without their assets.
    if not hasattr(Timetable, "asset_gated"):
        raise InvalidArgument("assets", assets, _TOO_OLD)
    from airflow.sdk.definitions.asset import BaseAsset
    from airflow.serialization.definitions.assets import SerializedAssetAll, SerializedAssetBase
    from airflow.serialization.encoders import encode_asset_like, ensure_serialized_asset

    kinds = BaseAsset, SerializedAssetBase
    alone = isinstance(assets, kinds)
    every = [assets] if alone else list(assets) if isinstance(assets, Collection) else []
    if not every or not all(isinstance(asset, kinds) for asset in every):
        raise InvalidArgument("assets", assets, _REMEDY)
    condition = assets if alone else SerializedAssetAll(list(map(ensure_serialized_asset, every)))
    # As it comes out of the database: Airflow's own keys are an Enum.
    encoded: dict[str, Any] = json.loads(json.dumps(encode_asset_like(condition)))
    return encoded


def decode_assets(data: dict[str, Any] | None) -> SerializedAssetBase:
    """Return the condition that :func:`encode_assets` wrote; Airflow's own for no assets."""
    if data is None:
        return Timetable.asset_condition
    from airflow.serialization.decoders import decode_asset_like

    return decode_asset_like(data)
