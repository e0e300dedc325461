"""A conversion as a pyramidal OME-TIFF: levels are SubIFDs of the planes of the finest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tifffile import TiffFile

from viewer import __version__
from viewer.slides.writing.coding import DeflateCoding, JpegCoding
from viewer.slides.writing.errors import VerificationError, WritingError
from viewer.slides.writing.ome_xml import STORABLE_TYPES, ome_xml
from viewer.slides.writing.tiff_output import (
    LONG,
    SHORT,
    UNDEFINED,
    Layout,
    OutDirectory,
    Tag,
    TiffOutput,
    text_tag,
)

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideInfo
    from viewer.slides.writing.coding import Coding
    from viewer.slides.writing.plan import ConvertPlan, OutLevel
    from viewer.slides.writing.spool import Spool
    from viewer.slides.writing.watch import Watch

_JPEG, _DEFLATE = 7, 8
_RGB, _YCBCR, _GRAY = 2, 6, 1
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}
_CENTIMETER = 3
_UM_PER_CM = 10_000.0
_RATIONAL_BASE = 1000
_MOST_ROUNDING = 3
"""By which decoders of JPEG may differ."""
_MOST_RATIONAL = (1 << 32) - 1


class OmeTiffTarget:
    """One file, all tiles in it; fulfils `Target`."""

    takes_jpeg_tiles = True

    def fitted(self, plan: ConvertPlan) -> ConvertPlan:
        return plan

    def check(self, plan: ConvertPlan, _info: SlideInfo, /) -> None:
        if plan.dtype.name not in STORABLE_TYPES:
            raise WritingError(
                f"OME-TIFF has no values of type {plan.dtype.name}: convert to .ome.zarr."
            )

    def coding(self, level: OutLevel, plan: ConvertPlan) -> Coding:
        return tiff_coding(level, plan)

    def finish(
        self,
        spool: Spool,
        plan: ConvertPlan,
        codings: list[Coding],
        info: SlideInfo,
        watch: Watch,
    ) -> Path:
        whole = finish_ome_tiff(spool, plan, codings, info)
        watch.check()
        check_by_tifffile(whole, spool, plan, codings)
        return whole

    def cannot_hold(self, _info: SlideInfo, /) -> list[str]:
        return []


def tiff_coding(level: OutLevel, plan: ConvertPlan) -> Coding:
    """Return how tiles are coded that cannot be copied: RGB as JPEG, channels without loss."""
    if plan.is_rgb:
        return JpegCoding(plan.quality)
    return DeflateCoding(plan.dtype, (level.tile_height_px, level.tile_width_px))


def finish_ome_tiff(
    spool: Spool, plan: ConvertPlan, codings: list[Coding], info: SlideInfo
) -> Path:
    """Write the directories behind the tiles of a spool; return its file, which is whole then.

    Raises WritingError and OSError.
    """
    file = spool.end()
    output = TiffOutput(file, "<", Layout.BY_SIZE)
    directories: list[OutDirectory] = []
    for plane in range(len(plan.planes)):
        levels = [
            _directory(output, spool, plan, codings[index], info, plane, index)
            for index in range(len(plan.levels))
        ]
        levels[0].subs = levels[1:]
        directories.append(levels[0])
    directories[0].tags.append(text_tag(270, ome_xml(info, plan)))
    output.finish(directories)
    file.flush()
    return spool.path


def _directory(
    output: TiffOutput,
    spool: Spool,
    plan: ConvertPlan,
    coding: Coding,
    info: SlideInfo,
    plane: int,
    index: int,
) -> OutDirectory:
    level = plan.levels[index]
    samples = 3 if plan.is_rgb else 1
    is_jpeg = isinstance(coding, JpegCoding)
    photometric = _GRAY
    if plan.is_rgb:
        photometric = _YCBCR if isinstance(coding, JpegCoding) and coding.is_ycbcr else _RGB
    tags = [
        output.numbers(254, LONG, int(index > 0)),
        output.numbers(256, LONG, level.width_px),
        output.numbers(257, LONG, level.height_px),
        output.numbers(258, SHORT, [plan.dtype.itemsize * 8] * samples),
        output.numbers(259, SHORT, _JPEG if is_jpeg else _DEFLATE),
        output.numbers(262, SHORT, photometric),
        output.numbers(277, SHORT, samples),
        output.numbers(284, SHORT, 1),
        text_tag(305, f"Coverslip {__version__}"),
        output.numbers(322, LONG, level.tile_width_px),
        output.numbers(323, LONG, level.tile_height_px),
        output.offsets(324, spool.offsets[plane][index]),
        output.numbers(325, LONG, spool.sizes[plane][index]),
        output.numbers(339, SHORT, [_SAMPLE_FORMATS[plan.dtype.kind]] * samples),
    ]
    if isinstance(coding, JpegCoding):
        if coding.tables:
            tags.append(Tag(347, UNDEFINED, len(coding.tables), coding.tables))
        if coding.is_ycbcr:
            tags.append(output.numbers(530, SHORT, coding.subsampling))
    elif isinstance(coding, DeflateCoding) and coding.has_predictor:
        tags.append(output.numbers(317, SHORT, 2))
    if info.icc_profile:
        tags.append(Tag(34675, UNDEFINED, len(info.icc_profile), info.icc_profile))
    if info.optics.mpp_um is not None:
        for code, um in zip((282, 283), info.optics.mpp_um, strict=True):
            per_cm = _UM_PER_CM / (um * level.downsample)
            base = _RATIONAL_BASE if per_cm * _RATIONAL_BASE < _MOST_RATIONAL else 1
            tags.append(output.rational(code, round(per_cm * base), base))
        tags.append(output.numbers(296, SHORT, _CENTIMETER))
    return OutDirectory(tags)


def check_by_tifffile(path: Path, spool: Spool, plan: ConvertPlan, codings: list[Coding]) -> None:
    """Have tifffile, which had no part in the writing, read levels and tiles.

    Raises VerificationError where it reads something else.
    """
    with TiffFile(path) as tiff:
        series = tiff.series[0]
        if len(series.levels) != len(plan.levels):
            raise VerificationError("What was written has other levels than it should.")
        for index, level in enumerate(plan.levels):
            first = series.levels[index].pages[0]
            assert first is not None  # each level has its tiles
            page = first.aspage()
            if (page.imagewidth, page.imagelength) != (level.width_px, level.height_px):
                raise VerificationError("What was written has levels of other sizes.")
            for tile in {0, level.tiles // 2, level.tiles - 1}:
                data = spool.read(0, index, tile)
                decoded = page.decode(data, tile, jpegtables=page.jpegtables)[0]
                wanted = codings[index].decode(data)
                found = np.asarray(decoded)[0, : wanted.shape[0], : wanted.shape[1]]
                wanted = wanted[: found.shape[0], : found.shape[1]].reshape(found.shape)
                if np.abs(found.astype(np.float64) - wanted).max() > _MOST_ROUNDING:
                    raise VerificationError("What was written shows other pixels by tifffile.")
