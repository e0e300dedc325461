"""A conversion as OME-Zarr 0.5: an array a level, tiles as chunks, compressed without loss."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from viewer.slides.writing.coding import ZSTD_LEVEL, ZstdCoding
from viewer.slides.writing.errors import VerificationError
from viewer.typed.zarr import group_in, new_group

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideInfo
    from viewer.slides.writing.coding import Coding
    from viewer.slides.writing.plan import ConvertPlan, OutLevel
    from viewer.slides.writing.spool import Spool
    from viewer.slides.writing.watch import Watch

_AXES = ("t", "c", "z", "y", "x")
_RGB = (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"))


class OmeZarrTarget:
    """A folder, a file a tile; fulfils `Target`."""

    takes_jpeg_tiles = False

    def fitted(self, plan: ConvertPlan) -> ConvertPlan:
        return plan

    def check(self, _plan: ConvertPlan, _info: SlideInfo, /) -> None:
        pass  # it holds every type of values

    def coding(self, level: OutLevel, plan: ConvertPlan) -> Coding:
        return zarr_coding(level, plan)

    def finish(
        self,
        spool: Spool,
        plan: ConvertPlan,
        codings: list[Coding],
        info: SlideInfo,
        watch: Watch,
    ) -> Path:
        whole = finish_ome_zarr(spool, plan, info, watch)
        check_by_zarr(whole, spool, plan, codings)
        return whole

    def cannot_hold(self, info: SlideInfo, /) -> list[str]:
        left: list[str] = []
        if info.icc_profile:
            left.append("The ICC profile, for which OME-Zarr has no place.")
        if info.optics.objective_power is not None:
            left.append("The objective's power, for which OME-Zarr has no place.")
        return left


def zarr_coding(level: OutLevel, plan: ConvertPlan) -> ZstdCoding:
    """Return how chunks are coded: each is a tile of a channel, or of all three colors."""
    sides = (level.tile_height_px, level.tile_width_px)
    return ZstdCoding(plan.dtype, (*sides, 3) if plan.is_rgb else sides)


def finish_ome_zarr(spool: Spool, plan: ConvertPlan, info: SlideInfo, watch: Watch) -> Path:
    """Write the arrays of a spool as a folder beside it; return the folder, which is whole then.

    Raises WritingCanceledError and OSError.
    """
    folder = spool.path.with_suffix(".ome.zarr")
    if folder.exists():
        shutil.rmtree(folder)
    group = new_group(folder)
    group.attrs["ome"] = _about(plan, info)
    for index, level in enumerate(plan.levels):
        group.create_array(
            str(index),
            shape=_shape(plan, level),
            chunks=(1, 3 if plan.is_rgb else 1, 1, level.tile_height_px, level.tile_width_px),
            dtype=plan.dtype,
            compressors=ZstdCodec(level=ZSTD_LEVEL),
            filters=None,
            fill_value=0,
            dimension_names=_AXES,
        )
        for plane in range(len(plan.planes)):
            c, z, t = plan.place_of(plane)
            for row in range(level.rows):
                watch.check()
                place = folder / str(index) / "c" / f"{t}" / f"{c}" / f"{z}" / f"{row}"
                place.mkdir(parents=True, exist_ok=True)
                for column in range(level.columns):
                    data = spool.read(plane, index, row * level.columns + column)
                    (place / str(column)).write_bytes(data)
    return folder


def check_by_zarr(folder: Path, spool: Spool, plan: ConvertPlan, codings: list[Coding]) -> None:
    """Have zarr read tiles of each level. Raises VerificationError where they differ."""
    group = group_in(folder)
    for index, level in enumerate(plan.levels):
        array = group[str(index)]
        if not isinstance(array, zarr.Array) or array.shape != _shape(plan, level):
            raise VerificationError("What was written has other levels than it should.")
        for plane in {0, len(plan.planes) - 1}:
            c, z, t = plan.place_of(plane)
            for tile in {0, level.tiles // 2, level.tiles - 1}:
                row, column = divmod(tile, level.columns)
                y, x = row * level.tile_height_px, column * level.tile_width_px
                channels = slice(0, 3) if plan.is_rgb else slice(c, c + 1)
                box = (slice(y, y + level.tile_height_px), slice(x, x + level.tile_width_px))
                found = np.asarray(array[(t, channels, z, *box)])
                wanted = codings[index].decode(spool.read(plane, index, tile))
                wanted = np.moveaxis(wanted, 2, 0) if plan.is_rgb else wanted[np.newaxis]
                wanted = wanted[:, : found.shape[1], : found.shape[2]]
                if not np.array_equal(found, wanted, equal_nan=True):
                    raise VerificationError("What was written shows other pixels by zarr.")


def _shape(plan: ConvertPlan, level: OutLevel) -> tuple[int, ...]:
    channels = 3 if plan.is_rgb else len(plan.channels)
    return plan.t_count, channels, plan.z_count, level.height_px, level.width_px


def _about(plan: ConvertPlan, info: SlideInfo) -> dict[str, Any]:
    x_um, y_um = info.optics.mpp_um or (1.0, 1.0)
    z_um, t_s = info.axes.z_spacing_um or 1.0, info.axes.t_interval_s or 1.0
    space = {"type": "space"} | ({"unit": "micrometer"} if info.optics.mpp_um else {})
    depth = {"type": "space"} | ({"unit": "micrometer"} if info.axes.z_spacing_um else {})
    time = {"type": "time"} | ({"unit": "second"} if info.axes.t_interval_s else {})
    kinds: dict[str, dict[str, str]] = {
        "t": time, "c": {"type": "channel"}, "z": depth, "y": space, "x": space,
    }  # fmt: skip
    datasets = [
        {
            "path": str(index),
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [t_s, 1.0, z_um, y_um * level.downsample, x_um * level.downsample],
                }
            ],
        }
        for index, level in enumerate(plan.levels)
    ]
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": "Slide",
                "axes": [{"name": axis, **kinds[axis]} for axis in _AXES],
                "datasets": datasets,
            }
        ],
        "omero": {
            "channels": _channels(plan),
            "rdefs": {"defaultT": 0, "defaultZ": 0, "model": "color"},
        },
    }


def _channels(plan: ConvertPlan) -> list[dict[str, Any]]:
    if plan.is_rgb:
        named = [(name, color, (0.0, 255.0)) for name, color in _RGB]
    else:
        named = [
            (each.name, "%02X%02X%02X" % each.color, each.value_range)  # noqa: UP031 - plainest
            for each in plan.channels
        ]
    return [
        {
            "label": name,
            "color": color,
            "active": True,
            "window": {"min": low, "max": high, "start": low, "end": high},
        }
        for name, color, (low, high) in named
    ]
