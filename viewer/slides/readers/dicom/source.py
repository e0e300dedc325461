# pyright: reportMissingTypeStubs=false
# (wsidicom brings none)
"""DICOM slides that OpenSlide does not read, through wsidicom: planes, channels, other codecs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.geometry import Optics
from viewer.limits import LimitError
from viewer.slides.channels import Axes, Channel, distinct_names, usual_color
from viewer.slides.dicom.folder import OPENSLIDE_READS, checked_series
from viewer.slides.errors import DamagedSlideError, UnsupportedSlideError, check_image
from viewer.slides.level_places import LEVELS_LEFT_OUT, has_one_step, is_over
from viewer.slides.readers.dicom.files import (
    frame_format,
    open_files,
    unread_pixels,
)
from viewer.slides.readers.dicom.frames import INVERTED, FrameFormat
from viewer.slides.readers.dicom.planes import NAMES_BESIDE, DicomReader, first_beside, plane_stack
from viewer.slides.readers.extras import need
from viewer.slides.readers.planes_source import PlanesSource
from viewer.slides.resolution import scale_doubt
from viewer.slides.source import SlideInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydicom.dataset import Dataset

    from viewer.slides.dicom.header import DicomHeader

_log = logging.getLogger(__name__)

_WSIDICOM_READS = OPENSLIDE_READS.union(
    f"1.2.840.10008.1.2{end}"
    for end in (
        "", ".1.99", ".2", ".5", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.110", ".4.111",
        ".4.112", ".4.201", ".4.202", ".4.203", ".8.1",
    )
)  # fmt: skip
"""Also other forms of the header, run lengths, deflated frames, the JPEG family and JPEG XL."""


def open_dicom(path: Path, image: int | None = None) -> PlanesSource | None:
    """Open a DICOM slide that OpenSlide cannot show as a whole; None for all others.

    Raises
    ------
    SlideError
        It cannot be opened.
    OSError
        It cannot be read.
    """
    if path.is_dir():
        return None
    found = checked_series(path)
    if found is None or not found.needs_more:
        return None
    check_image(path, image)
    unknown = {header.transfer_syntax for _, header in found.volumes} - _WSIDICOM_READS
    if unknown:
        raise UnsupportedSlideError(path, _unknown_codec(path, unknown.pop()))
    for file, header in found.volumes:
        if kind := unread_pixels(header):
            raise UnsupportedSlideError(
                path,
                f"{file.name} is a DICOM slide of {kind}, which cannot be read; ask for it as "
                "DICOM with JPEG or JPEG 2000.",
            )
    need("wsidicom", "dicom", path, "a DICOM slide of a kind that OpenSlide does not read")
    try:
        slide = open_files(found.files)
        _check_files(path, found.files, slide)
        base: Any = slide.pyramid.get(min(slide.pyramid.pyramid_indices))
        instances: list[Any] = list(base.instances.values())
        described = [found for each in instances for found in _optical_paths(each.image_data)]
        return source_of_slide(path, slide, described, _format_of_file)
    except (OSError, UnsupportedSlideError, DamagedSlideError):
        raise
    except LimitError as error:
        raise UnsupportedSlideError(path, f"{str(error).removesuffix('.')}.") from error
    except Exception as error:  # a damaged file can make a parser fail in any way
        _log.info("%s cannot be read through wsidicom (%r)", path, error)
        if type(error).__name__ == "WsiDicomNoResolutionError":
            raise UnsupportedSlideError(
                path,
                f"{path.name} is a DICOM slide without a pixel size (PixelSpacing), by which its "
                "levels are told apart; ask for it with one.",
            ) from error
        reason = str(error) or type(error).__name__
        if StopIteration.__name__ in reason:  # as wsidicom looks for it
            reason = "it does not say how large what it shows is: ImagedVolumeWidth"
        raise DamagedSlideError(
            path,
            f"{path.name} is a DICOM slide that cannot be opened ({reason}); it may be damaged or "
            "incomplete, so copy all files of the series again from where they came.",
        ) from error


def _unknown_codec(path: Path, syntax: str) -> str:
    return (
        f"{path.name} is a DICOM slide compressed in a way that cannot be read here (transfer "
        f"syntax {syntax}); ask for it as DICOM with JPEG or JPEG 2000."
    )


def _check_files(path: Path, files: Iterable[tuple[Path, DicomHeader]], slide: Any) -> None:
    """Refuse a slide of which wsidicom left a file out, since it says so in its log alone.

    Of files that lie on the same level but differ in size it keeps the last.
    """
    levels = (slide.pyramid.get(index) for index in slide.pyramid.pyramid_indices)
    instances = (each for level in levels for each in level.instances.values())
    used = {Path(file).name for each in instances for file in each.image_data.files}
    for file, header in files:
        if header.is_volume and file.name not in used:
            raise DamagedSlideError(
                path,
                f"{file.name}, a level of the DICOM slide {path.name}, cannot be read; it may be "
                "damaged or cut short, or not fit the others, so copy it again from where it came.",
            )


def _format_of_file(data: Any) -> FrameFormat:
    """Return how the frames of a file are stored, by its own header."""
    size = data.tile_size
    return frame_format(Path(str(data.files[0])), size.width, size.height)


def _format_told(data: Any) -> FrameFormat:
    """Return how frames are stored, by what wsidicom says of them."""
    bits, size = int(data.bits), data.tile_size
    return FrameFormat(
        str(data.transfer_syntax), size.width, size.height, int(data.samples_per_pixel),
        8 if bits <= 8 else 16, bits, str(data.photometric_interpretation),
    )  # fmt: skip


def source_of_slide(
    path: Path,
    slide: Any,
    described: list[OpticalPath],
    format_of: Callable[[Any], FrameFormat] = _format_told,
) -> PlanesSource:
    """Return an open slide of wsidicom as a source, wherever its frames come from.

    Parameters
    ----------
    format_of
        Tells of image data of wsidicom how its frames are stored.
    """
    stored_levels = [slide.pyramid.get(at) for at in sorted(slide.pyramid.pyramid_indices)]
    levels = [each for each in stored_levels if _is_placed(stored_levels[0], each)]
    stacks = [plane_stack(level, format_of) for level in levels]
    base = levels[0]
    _, stored = next(iter(stacks[0].planes.values()))
    heights = sorted({z for z, _ in stacks[0].planes})
    paths = list(dict.fromkeys(name for _, name in stacks[0].planes))
    is_rgb = stored.is_rgb
    notes = [LEVELS_LEFT_OUT] if len(levels) < len(stored_levels) else []
    if is_rgb and stored.bits_stored > 8 and stored.palette is None:
        notes.append(f"Its colors have {stored.bits_stored} bits a sample; 8 of them are shown.")
    if stored.photometric == INVERTED:
        notes.append("Stored inverted (MONOCHROME1): its values are turned round.")
    if is_rgb and len(paths) > 1:
        notes.append(
            f"This slide was scanned in {len(paths)} ways of lighting; the first is shown."
        )
    reader = DicomReader(slide, stacks, heights, paths, format_of, is_rgb=is_rgb)
    spacing = (heights[-1] - heights[0]) / (len(heights) - 1) if len(heights) > 1 else None
    axes = Axes(
        () if is_rgb else _channels(paths, described, stored, reader),
        len(heights),
        spacing,
    )
    mpp = base.mpp
    optics = Optics(
        (mpp.width, mpp.height) if mpp is not None else None,
        described[0].objective_power if described else None,
    )
    notes += [doubt] if (doubt := scale_doubt(optics)) else []
    associated = [
        ours for theirs, ours in NAMES_BESIDE.items() if getattr(slide, theirs) is not None
    ]
    dataset = next(iter(base.instances.values())).dataset
    info = SlideInfo(
        vendor="dicom",
        reader="wsidicom",
        optics=optics,
        associated=tuple(associated),
        icc_profile=_profile_of(paths[0], described) if is_rgb else None,
        profiles_beside=_profiles_beside(slide),
        properties={
            "dicom.TransferSyntaxUID": stored.syntax,
            "dicom.SeriesInstanceUID": str(dataset.uids.slide.series_instance),
            "dicom.PhotometricInterpretation": stored.photometric,
        },
        notes=tuple(notes),
        axes=axes,
    )
    finest = stacks[0].grid
    return PlanesSource(path, info, tuple(each.grid.level(finest) for each in stacks), reader)


def _is_placed(base: Any, level: Any) -> bool:
    """Return whether a level of wsidicom lies over the whole slide, by its pixel size."""
    whole, size = base.size, level.size
    if not has_one_step((whole.width, whole.height), (size.width, size.height)):
        return False
    finest, own = base.mpp, level.mpp
    if finest is None or own is None or not finest.width > 0 or not finest.height > 0:
        return True
    return is_over(whole.width, size.width, own.width / finest.width) and is_over(
        whole.height, size.height, own.height / finest.height
    )


class OpticalPath(msgspec.Struct, frozen=True):
    """One way of lighting, which is a channel: how it is called, and its color profile."""

    identifier: str
    name: str
    profile: bytes | None
    objective_power: float | None


def _optical_paths(data: Any) -> list[OpticalPath]:
    """Return what the first file of image data of wsidicom says of its channels."""
    from viewer.typed.pydicom import header_in

    opened = data._get_reader(0)._stream
    with opened.exclusive():
        opened.seek(0)
        return optical_paths_of(header_in(opened.stream))


def optical_paths_of(dataset: Dataset) -> list[OpticalPath]:
    """Return what a dataset says of its channels."""
    from viewer.typed.pydicom import items_of

    paths: list[OpticalPath] = []
    for item in items_of(dataset, "OpticalPathSequence"):
        wave_nm = item.get("IlluminationWaveLength")
        wave = f"{float(wave_nm):g} nm" if wave_nm else ""
        name = str(item.get("OpticalPathDescription") or "") or wave
        power = item.get("ObjectiveLensPower")
        paths.append(
            OpticalPath(
                str(item.get("OpticalPathIdentifier", "")),
                name,
                item.get("ICCProfile"),
                float(power) if power else None,
            )
        )
    return paths


def _profile_of(path: str, described: list[OpticalPath]) -> bytes | None:
    """Return the profile of an optical path, or of the only one that is described."""
    own = [each.profile for each in described if each.identifier == path]
    return next(iter(own or [each.profile for each in described]), None)


def _profiles_beside(slide: Any) -> dict[str, bytes]:
    """Return the color profiles of pictures beside the slide, as `SlideInfo` has them."""
    found: dict[str, bytes] = {}
    for theirs, ours in NAMES_BESIDE.items():
        beside = first_beside(slide, theirs)
        if beside is None:
            continue
        dataset = beside.dataset.as_dataset()
        own = next((each.profile for each in optical_paths_of(dataset) if each.profile), None)
        if own or str(dataset.get("PhotometricInterpretation", "")).startswith("MONOCHROME"):
            found[ours] = own or b""
    return found


def _channels(
    paths: list[str], described: list[OpticalPath], stored: FrameFormat, reader: DicomReader
) -> tuple[Channel, ...]:
    dtype = stored.dtype
    by_identifier = {each.identifier: each.name for each in described}
    # A gray picture is shown as it is, a channel in the range of its values.
    is_picture = len(paths) == 1 and dtype == "uint8" and not by_identifier.get(paths[0])
    names = distinct_names([by_identifier.get(path) or f"Optical path {path}" for path in paths])
    return tuple(
        Channel(
            name,
            usual_color(name, index, len(paths)),
            dtype,
            (0.0, float(stored.full_scale)) if is_picture else reader.value_range(index),
        )
        for index, name in enumerate(names)
    )
