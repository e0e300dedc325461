# pyright: basic
# (wsidicom and pydicom bring types that are not complete)
"""A conversion as a DICOM slide: a file a level, written by wsidicom from our coded tiles."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace

from viewer.slides.writing.coding import Jpeg2000Coding, JpegCoding
from viewer.slides.writing.errors import VerificationError, WritingError
from viewer.slides.writing.jpeg_streams import complete_stream, with_rgb_marker

try:
    from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, generate_uid
    from upath import UPath
    from wsidicom import WsiDicom
    from wsidicom.file.io.frame_index import OffsetTableType
    from wsidicom.file.io.wsidicom_writer import WsiDicomWriter
    from wsidicom.instance.dataset import WsiDataset
except ImportError as error:
    raise WritingError(
        'DICOM slides are written by wsidicom, which is not installed: `pip install "coverslip'
        '[dicom]"`.'
    ) from error

from viewer.slides.writing.dicom_attributes import LevelUids, level_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.slides.source import SlideInfo
    from viewer.slides.writing.coding import Coding
    from viewer.slides.writing.plan import ConvertPlan, OutLevel
    from viewer.slides.writing.spool import Spool
    from viewer.slides.writing.watch import Watch

_TYPES = ("uint8", "uint16")
_MOST_BASIC_BYTES = 4_000_000_000
_MOST_ROUNDING = 4


class DicomTarget:
    """A folder, a file a level; fulfils `Target`."""

    takes_jpeg_tiles = True

    def fitted(self, plan: ConvertPlan) -> ConvertPlan:
        # Frames go by channel, then focal plane; there is one time.
        first = [plane for plane in plan.planes if plane.t == 0]
        channels = list(dict.fromkeys(plane.channel for plane in first))
        planes = sorted(first, key=lambda plane: (channels.index(plane.channel), plane.z))
        return replace(plan, planes=tuple(planes), t_count=1, is_by_channel=True)

    def check(self, plan: ConvertPlan, info: SlideInfo, /) -> None:
        if plan.dtype.name not in _TYPES:
            raise WritingError(
                f"DICOM slides have values of 8 and 16 bits, not {plan.dtype.name}: convert to "
                ".ome.zarr."
            )
        if info.optics.mpp_um is None:
            raise WritingError(
                "The pixel size of the slide is unknown, and DICOM demands it: choose Edit > Set "
                "pixel size (on the command line, --mpp)."
            )
        if plan.z_count > 1 and info.axes.z_spacing_um is None:
            raise WritingError(
                "DICOM demands one distance between focal planes, and that of these is unknown or "
                "not even: choose OME-TIFF (on the command line, one of them by --z)."
            )

    def coding(self, _level: OutLevel, plan: ConvertPlan, /) -> Coding:
        if plan.is_rgb:
            return JpegCoding(plan.quality)
        return Jpeg2000Coding()

    def finish(
        self,
        spool: Spool,
        plan: ConvertPlan,
        codings: list[Coding],
        info: SlideInfo,
        watch: Watch,
    ) -> Path:
        folder = spool.path.with_suffix(".dicom")
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        uids = LevelUids()
        for index, level in enumerate(plan.levels):
            _write_level(folder, index, level, spool, plan, codings[index], info, uids, watch)
        _check_by_wsidicom(folder, spool, plan, codings)
        return folder

    def cannot_hold(self, info: SlideInfo, /) -> list[str]:
        left: list[str] = []
        if info.axes.channels:
            left.append("The colors of channels, for which this DICOM has no place.")
        if info.axes.t_count > 1:
            left.append(f"{info.axes.t_count - 1} of {info.axes.t_count} points in time.")
        return left


def _write_level(
    folder: Path,
    index: int,
    level: OutLevel,
    spool: Spool,
    plan: ConvertPlan,
    coding: Coding,
    info: SlideInfo,
    uids: LevelUids,
    watch: Watch,
) -> None:
    coded_bytes = sum(int(spool.sizes[plane][index].sum()) for plane in range(len(plan.planes)))
    attributes = level_attributes(plan, index, coding, info, uids, coded_bytes)
    attributes.SOPInstanceUID = generate_uid(prefix=None)
    dataset = WsiDataset(attributes)
    syntax = JPEGBaseline8Bit if isinstance(coding, JpegCoding) else JPEG2000Lossless
    table = OffsetTableType.BASIC
    if coded_bytes > _MOST_BASIC_BYTES:
        table = OffsetTableType.EXTENDED
    path = UPath(folder / f"level-{index}.dcm")
    with WsiDicomWriter.open_instance(path, syntax, table, dataset) as writer:
        writer.write_tiles(_frames(spool, plan, index, level, coding, watch))
        writer.finalize(dataset)


def _frames(
    spool: Spool, plan: ConvertPlan, index: int, level: OutLevel, coding: Coding, watch: Watch
) -> Iterator[bytes]:
    """Yield the coded tiles of a level, each a stream of its own."""
    for plane in range(len(plan.planes)):
        for tile in range(level.tiles):
            if tile % 256 == 0:
                watch.check()
            data = spool.read(plane, index, tile)
            if isinstance(coding, JpegCoding):
                data = complete_stream(data, coding.tables)
                if not coding.is_ycbcr:
                    data = with_rgb_marker(data)
            yield data


def _check_by_wsidicom(
    folder: Path, spool: Spool, plan: ConvertPlan, codings: list[Coding]
) -> None:
    """Have wsidicom read tiles of each level. Raises VerificationError where they differ."""
    with WsiDicom.open(folder) as slide:
        levels: Any = slide.pyramids[0]
        if len(levels) != len(plan.levels):
            raise VerificationError("What was written has other levels than it should.")
        for index, read in enumerate(levels):
            level = plan.levels[index]
            if (read.size.width, read.size.height) != (level.width_px, level.height_px):
                raise VerificationError("What was written has levels of other sizes.")
            if not plan.is_rgb:
                continue
            first_um = read.focal_planes[0]  # left to itself wsidicom takes the middle one
            for tile in {0, level.tiles - 1}:
                row, column = divmod(tile, level.columns)
                picture = slide.read_tile(read.level, (column, row), z=first_um)
                found = np.asarray(picture.convert("RGB"))
                wanted: Any = codings[index].decode(spool.read(0, index, tile))
                wanted = wanted[: found.shape[0], : found.shape[1]]
                found = found[: wanted.shape[0], : wanted.shape[1]]
                if np.abs(found.astype(np.int16) - wanted).max() > _MOST_ROUNDING:
                    raise VerificationError("What was written shows other pixels by wsidicom.")
