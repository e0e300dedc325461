"""Slides out again in open formats: OME-TIFF, OME-Zarr, DICOM."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from viewer.files.replace_whole import replace_by
from viewer.plurals import plural
from viewer.slides.calibration import remembered_mpp_um
from viewer.slides.colors.profile import profile_problem
from viewer.slides.opener import open_slide
from viewer.slides.writing.engine import ConversionRun, TileCounts
from viewer.slides.writing.errors import UnknownKindError
from viewer.slides.writing.places import check_place
from viewer.slides.writing.plan import ConvertOptions, ConvertPlan, convert_plan
from viewer.slides.writing.sampling import check_conversion
from viewer.slides.writing.spool import Spool, remove_leftovers
from viewer.slides.writing.watch import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideInfo, SlideSource
    from viewer.slides.writing.coding import Coding
    from viewer.slides.writing.target import Target

KINDS = ("ome-tiff", "ome-zarr", "dicom")
_ENDINGS = {
    ".ome.tif": "ome-tiff", ".ome.tiff": "ome-tiff", ".ome.btf": "ome-tiff", ".ome.tf8": "ome-tiff",
    ".ome.zarr": "ome-zarr", ".zarr": "ome-zarr",
}  # fmt: skip
_ADVISED = {"ome-tiff": ".ome.tif", "ome-zarr": ".ome.zarr", "dicom": "none, for a folder"}
_FORMAT = 2
"""Of what a spool holds: another version does not go on where this one ended."""
_CODED_SHARE = 0.94
_SRGB_INSTEAD = " DICOM demands an ICC profile: sRGB is written."


class Conversion(msgspec.Struct):
    """What was written.

    Attributes
    ----------
    lossy
        Sentences on what is not as it was in the slide.
    dropped
        Sentences on what is not in it at all.
    """

    path: Path
    kind: str
    counts: TileCounts
    levels: int
    lossy: list[str] = msgspec.field(default_factory=list[str])
    dropped: list[str] = msgspec.field(default_factory=list[str])

    def as_data(self) -> dict[str, object]:
        counts = self.counts
        return {
            "path": str(self.path),
            "kind": self.kind,
            "levels": self.levels,
            "tiles_copied": counts.copied,
            "tiles_coded": counts.coded + counts.halved,
            "tiles_resumed": counts.resumed,
            "tiles_unreadable": counts.unreadable,
            "lossy": list(self.lossy),
            "dropped": list(self.dropped),
        }


def kind_of(out: Path, wanted: str | None = None) -> str:
    """Return the kind of output: what is asked for, else by the ending. Raises UnknownKindError."""
    if wanted is not None and wanted not in KINDS:
        raise UnknownKindError(f'There is no kind "{wanted}": use {", ".join(KINDS)}.')
    if kind := wanted or _told_kind(out):
        return kind
    raise UnknownKindError(
        f"{out.name} does not say its kind: end it in .ome.tif or .ome.zarr, or give --to dicom "
        "for a folder of DICOM files."
    )


def _told_kind(out: Path) -> str | None:
    """Return the kind that a name ends like."""
    name = out.name.lower()
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)


def _check_ending(out: Path, kind: str) -> None:
    """Refuse a name that tells readers of another kind than what is in it."""
    told = _told_kind(out)
    if told not in (None, kind):
        raise UnknownKindError(
            f"{out.name} ends like {told}, and {kind} is asked for: give it another ending "
            f"({_ADVISED[kind]}), or leave --to out."
        )


def convert(
    slide: Path,
    out: Path,
    options: ConvertOptions | None = None,
    *,
    kind: str | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Conversion:
    """Write a slide, or a part of it, as another kind.

    JPEG tiles are copied where both sides allow. A run that was killed goes on when it is asked for
    again; one that fails for another reason, or is canceled, leaves nothing.

    Raises
    ------
    WritingError
        It cannot be written like this, or not there.
    SlideError
        The slide cannot be read.
    OSError
        It cannot be written.
    """
    watch, options = watch or Watch(), options or ConvertOptions()
    kind = kind_of(out, kind)
    source = open_slide(slide, options.image)
    try:
        check_place(slide, out, overwrite=overwrite)
        _check_ending(out, kind)
        target = _target(kind)
        plan = target.fitted(convert_plan(source, options))
        info = _with_spacing(_with_scale(source.info, options), plan)
        target.check(plan, info)
        with Spool(out, _key(source, options, kind), plan) as spool:
            try:
                conversion = Conversion(out, kind, TileCounts(), len(plan.levels))
                run = _write(source, info, plan, spool, target, conversion, watch)
                _tell_losses(conversion, source, plan, options, run.codings)
                conversion.dropped += target.cannot_hold(info)
            except KeyboardInterrupt:
                raise  # the same command goes on from here
            except BaseException:
                spool.remove()
                raise
        spool.remove()
        remove_leftovers(out)
    finally:
        source.close()
    watch.progressed(1.0)
    return conversion


def _target(kind: str) -> Target:
    """Return what writes a kind; what it needs is imported with it."""
    match kind:
        case "ome-tiff":
            from viewer.slides.writing.ome_tiff import OmeTiffTarget

            return OmeTiffTarget()
        case "ome-zarr":
            from viewer.slides.writing.ome_zarr import OmeZarrTarget

            return OmeZarrTarget()
        case _:
            from viewer.slides.writing.dicom import DicomTarget

            return DicomTarget()


def _write(
    source: SlideSource,
    info: SlideInfo,
    plan: ConvertPlan,
    spool: Spool,
    target: Target,
    conversion: Conversion,
    watch: Watch,
) -> ConversionRun:
    """Code the tiles, make the output of them, read it back, and give it its name."""
    run = ConversionRun(
        source,
        plan,
        spool,
        lambda level: target.coding(level, plan),
        may_copy=target.takes_jpeg_tiles,
    )
    conversion.counts = run.run(watch.part(0, _CODED_SHARE))
    whole = target.finish(spool, plan, run.codings, info, watch)
    watch.check()
    check_conversion(run, plan, whole)
    watch.check()
    replace_by(whole, conversion.path)
    if plan.is_rgb and (lost := _profile_lost(info, conversion.kind)):
        conversion.lossy.append(lost)
    return run


def _profile_lost(info: SlideInfo, kind: str) -> str:
    """Return a sentence where the profile that is written is none, or not the slide's; else ""."""
    problem = profile_problem(info.icc_profile)
    if problem:
        return problem + (_SRGB_INSTEAD if kind == "dicom" else "")
    is_lacking = kind == "dicom" and not info.icc_profile
    return f"The slide has no ICC profile.{_SRGB_INSTEAD}" if is_lacking else ""


def _with_scale(info: SlideInfo, options: ConvertOptions) -> SlideInfo:
    """Return the facts of a slide with the pixel size that was set or given, if it tells none."""
    if info.optics.mpp_um is not None:
        return info
    mpp_um = remembered_mpp_um(info.identity)
    if options.mpp_um is not None:
        mpp_um = (options.mpp_um, options.mpp_um)
    return replace(info, optics=msgspec.structs.replace(info.optics, mpp_um=mpp_um))


def _with_spacing(info: SlideInfo, plan: ConvertPlan) -> SlideInfo:
    """Return the facts with the distance of the focal planes that are written."""
    if info.axes.z_spacing_um is None:
        return info
    written = sorted({plane.z for plane in plan.planes})
    steps = {after - before for before, after in pairwise(written)}
    if len(steps) > 1:
        return replace(info, axes=msgspec.structs.replace(info.axes, z_spacing_um=None))
    spacing_um = info.axes.z_spacing_um * (steps.pop() if steps else 1)
    return replace(info, axes=msgspec.structs.replace(info.axes, z_spacing_um=spacing_um))


def _tell_losses(
    conversion: Conversion,
    source: SlideSource,
    plan: ConvertPlan,
    options: ConvertOptions,
    codings: list[Coding],
) -> None:
    """Say what is not as it was, and what is left out."""
    info, counts = source.info, conversion.counts
    if any(coding.is_lossy for coding in codings) and counts.coded:
        conversion.lossy.append(
            f"{plural(counts.coded, 'tile was', 'tiles were')} coded anew as JPEG of quality "
            f"{plan.quality}, which loses a little."
        )
    if counts.unreadable:
        conversion.lossy.append(
            f"Of the slide {plural(counts.unreadable, 'tile was', 'tiles were')} hatched: "
            "unreadable there."
        )
    conversion.lossy += [f"As the slide is read here: {note}" for note in info.notes]
    if info.associated:
        conversion.dropped.append(f"Images beside the tissue: {', '.join(info.associated)}.")
    if not plan.is_whole:
        conversion.dropped.append("All outside of the region.")
    base = plan.levels[0]
    if options.region is not None and options.region[2:] != (base.width_px, base.height_px):
        conversion.dropped.append(
            f"What of the region lies beyond the slide: {base.width_px:,} x {base.height_px:,} "
            "pixels are written."
        )
    if len(plan.channels) < len(info.axes.channels):
        kept = {channel.name for channel in plan.channels}
        left = [each.name for each in info.axes.channels if each.name not in kept]
        conversion.dropped.append(f"Channels: {', '.join(left)}.")
    if plan.z_count < info.axes.z_count:
        conversion.dropped.append(
            f"{info.axes.z_count - plan.z_count} of {info.axes.z_count} focal planes."
        )
        written = sorted({plane.z for plane in plan.planes})
        if len({b - a for a, b in pairwise(written)}) > 1:
            conversion.dropped.append("The distance of the focal planes, which is not even.")
    if len(info.images) > 1:
        conversion.dropped.append(f"{len(info.images) - 1} other images of the file.")
    conversion.dropped.append("Texts about the slide: names, dates, scanner.")
    conversion.dropped.append(
        "Annotations, which lie beside slides: coverslip annotations export writes them."
    )


def _key(source: SlideSource, options: ConvertOptions, kind: str) -> str:
    """Return a name of this work, the same in each run of it."""
    about = (source.info.identity, msgspec.to_builtins(options), kind, _FORMAT)
    return hashlib.sha256(msgspec.json.encode(about)).hexdigest()
