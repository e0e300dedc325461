"""The images of an OME-Zarr: levels, axes, pixel sizes and channels, versions 0.4 to 0.6."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.slides.ngff.arrays import (
    NgffError,
    as_list,
    as_object,
    below,
    read_array,
    read_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.slides.channels import Color
    from viewer.slides.ngff.arrays import ArrayInfo, ReadKey

MOST_IMAGES = 500
_MOST_WELLS = 10_000
"""Of a plate; the largest have 6,144."""
_MOST_LEVELS = 100
_WELLS_AT_ONCE = 100
_AXES = "tczyx"
_WHITE = (255, 255, 255)
_WIDEST_WINDOW = 4
"""Times all that the type of the values can hold."""
_VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6")
_WITH_SYSTEMS = "0.6"
"""From here on what is said of all levels leads to other images, and not to micrometers."""
_UM = {
    "angstrom": 1e-4, "nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4,
    "decimeter": 1e5, "meter": 1e6, "inch": 25_400.0, "foot": 304_800.0, "yard": 914_400.0,
    "picometer": 1e-6,
    # Not of the standard, but written.
    "micrometre": 1.0, "micron": 1.0, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3,
    "millimetre": 1e3, "mm": 1e3, "centimetre": 1e4, "cm": 1e4, "metre": 1e6, "m": 1e6,
}  # fmt: skip
_SECONDS = {
    "nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0,
    "hour": 3600.0, "day": 86_400.0,
}  # fmt: skip


class NgffLevel(msgspec.Struct, frozen=True):
    """One resolution: its array, and what one element is in micrometers or seconds, by axis.

    Attributes
    ----------
    scale, translation
        In the units of the axes, one number an axis of the array.
    """

    array: ArrayInfo
    scale: tuple[float, ...]
    translation: tuple[float, ...]


class NgffChannel(msgspec.Struct, frozen=True):
    """What is said of a channel; None where nothing is.

    Attributes
    ----------
    window
        The values that are shown as black and as the full color.
    is_on, is_inverted
        Whether it is to be shown at first, and with black and its full color changed over.
    """

    name: str
    color: Color | None
    window: tuple[float, float] | None
    is_on: bool = True
    is_inverted: bool = False


class NgffImage(msgspec.Struct, frozen=True):
    """One multiscale image.

    Attributes
    ----------
    axes
        A letter a dimension, of "tczyx"; y and x are among them.
    units
        One an axis; empty where none is told, or no scale in it.
    levels
        From the finest.
    """

    path: str
    name: str
    version: str
    axes: str
    units: tuple[str, ...]
    levels: tuple[NgffLevel, ...]
    channels: tuple[NgffChannel, ...]

    def count(self, axis: str) -> int:
        """Return how many elements there are along an axis; 1 where the image lacks it."""
        at = self.axes.find(axis)
        return self.levels[0].array.shape[at] if at >= 0 else 1

    def step_um(self, axis: str) -> float | None:
        """Return the size of an element of level 0 along x, y or z; None where it is not told."""
        return self._step(axis, _UM)

    def step_s(self) -> float | None:
        """Return the seconds between two time points; None where they are not told."""
        return self._step("t", _SECONDS)

    def _step(self, axis: str, units: dict[str, float]) -> float | None:
        at = self.axes.find(axis)
        if at < 0:
            return None
        unit = self.units[at]
        plain = unit.lower()
        factor = units.get(unit) or units.get(plain) or units.get(plain.removesuffix("s"))
        scale = self.levels[0].scale[at]
        return None if factor is None or not 0 < scale < float("inf") else factor * scale


def read_images(read: ReadKey) -> tuple[list[NgffImage], bool]:
    """Return the images of a store, up to `MOST_IMAGES`, and whether it has more.

    They are the one at its root, those of a bioformats2raw layout, or the fields in the wells of
    a plate.

    Raises
    ------
    NgffError
        There is none that can be shown; the sentence says why.
    OSError
        The store cannot be read.
    """
    root = attributes(read, "")
    if root is None and read_array(read, "") is None:
        raise NgffError("is no OME-Zarr: it has neither zarr.json nor .zattrs")
    if root and "multiscales" in root:
        return _images_of(read, "", root), False
    fields = _fields(read, root or {})
    paths = fields or _series(read, root or {})
    _expect_groups(read, paths[:MOST_IMAGES])
    images: list[NgffImage] = []
    for path in paths[:MOST_IMAGES]:
        inside = attributes(read, path)
        if inside and "multiscales" in inside:
            images += _images_of(read, path, inside)
    if fields:  # what each is called in itself is mostly the same for all
        images = [replace(image, name=image.path) for image in images]
    if images:
        return images, len(paths) > MOST_IMAGES
    if root and ("plate" in root or "well" in root):
        raise NgffError("is a plate of wells without an image in any of them")
    raise NgffError(
        "is a Zarr without an image of OME-Zarr in it (no multiscales); write it as OME-Zarr"
    )


def attributes(read: ReadKey, path: str) -> dict[str, Any] | None:
    """Return what OME says of a group, whichever the version; None where there is no group.

    Raises NgffError and OSError.
    """
    group = read_json(read, below(path, "zarr.json"))
    if group is not None:
        found = as_object(group.get("attributes"))
        return as_object(found.get("ome")) or found
    found = read_json(read, below(path, ".zattrs"))
    if found is None and read(below(path, ".zgroup"), 0, 1) is not None:
        return {}
    return found


def _series(read: ReadKey, root: dict[str, Any]) -> list[str]:
    """Return the paths of the images of a bioformats2raw layout, in its order."""
    if "bioformats2raw.layout" not in root:
        return []
    listed = attributes(read, "OME")
    names = as_list((listed or {}).get("series"))
    if names:
        return [str(name) for name in names]
    paths: list[str] = []
    while len(paths) <= MOST_IMAGES and attributes(read, str(len(paths))) is not None:
        paths.append(str(len(paths)))
    return paths


def _fields(read: ReadKey, root: dict[str, Any]) -> list[str]:
    """Return the paths of the fields of a plate, or of one of its wells, in its order."""
    listed = as_list(as_object(root.get("plate")).get("wells"))
    wells = [str(as_object(well).get("path", "")).strip("/") for well in listed]
    if not wells:
        return _fields_of(root, "")
    if len(wells) > _MOST_WELLS:
        raise NgffError(
            f"is a plate of {len(wells):,} wells, which cannot be (max. {_MOST_WELLS:,})"
        )
    fields: list[str] = []
    for first in range(0, len(wells), _WELLS_AT_ONCE):
        some = wells[first : first + _WELLS_AT_ONCE]
        _expect_groups(read, some)
        for well in some:
            fields += _fields_of(attributes(read, well) or {}, well)
        if len(fields) > MOST_IMAGES:
            break
    return fields


def _fields_of(found: dict[str, Any], well: str) -> list[str]:
    listed = as_list(as_object(found.get("well")).get("images"))
    paths = [str(as_object(image).get("path", "")).strip("/") for image in listed]
    return [below(well, path) for path in paths if path]


def _expect_groups(read: ReadKey, paths: Sequence[str]) -> None:
    """Have the descriptions of groups at hand, where the store can fetch many at once."""
    expect = getattr(read, "expect", None)
    if expect is not None:
        expect(below(path, name) for path in paths for name in ("zarr.json", ".zattrs"))


def _images_of(read: ReadKey, path: str, found: dict[str, Any]) -> list[NgffImage]:
    try:
        return [
            _image(read, path, multiscale, found)
            for multiscale in found["multiscales"][:MOST_IMAGES]
        ]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise NgffError(
            f"has a damaged description of its image ({error!r}); copy it again from where it came"
        ) from error


def _image(
    read: ReadKey, path: str, multiscale: dict[str, Any], found: dict[str, Any]
) -> NgffImage:
    version = str(found.get("version") or multiscale.get("version") or "0.4")
    if not version.startswith(_VERSIONS):
        raise NgffError(f"is OME-Zarr of version {version}; versions 0.1 to 0.6 can be read")
    axes, units = _axes(multiscale)
    levels: list[NgffLevel] = []
    for dataset in multiscale["datasets"][:_MOST_LEVELS]:
        key = below(path, str(dataset["path"]).strip("/"))
        array = read_array(read, key)
        if array is None:
            raise NgffError(f"lacks the array {key} of its image; copy it again with all files")
        if not axes:  # versions 0.1 and 0.2 name none
            axes, units = _AXES[-len(array.shape) :], ("",) * len(array.shape)
        if len(array.shape) != len(axes):
            raise NgffError(f"has {len(axes)} axes and an array of {len(array.shape)} dimensions")
        of_all = multiscale.get("coordinateTransformations")
        of_level = dataset.get("coordinateTransformations")
        if not of_all and not of_level:
            units = ("",) * len(axes)
        whole, own = _transforms(of_all, len(axes)), _transforms(of_level, len(axes))
        if not version.startswith(_WITH_SYSTEMS):
            scale = tuple(a * b for a, b in zip(own[0], whole[0], strict=True))
            shift = tuple(a * k + b for a, k, b in zip(own[1], *whole, strict=True))
            own = scale, shift
        levels.append(NgffLevel(array, *own))
    if not levels:
        raise NgffError("has an image without levels")
    y, x = axes.index("y"), axes.index("x")
    # The finest comes first by the standard, and not in every file.
    levels.sort(key=lambda level: -level.array.shape[y] * level.array.shape[x])
    _check_levels(levels, axes)
    at = axes.find("c")
    count = levels[0].array.shape[at] if at >= 0 else 1
    return NgffImage(
        path,
        str(multiscale.get("name") or path or ""),
        version,
        axes,
        units,
        tuple(levels),
        _channels(found.get("omero"), count, levels[0].array.dtype),
    )


def _axes(multiscale: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the letters of the axes and their units; empty where the version has none."""
    systems = multiscale.get("coordinateSystems")
    listed = multiscale.get("axes")
    if listed is None and systems:
        name = _output_of(multiscale["datasets"][0])
        listed = next((each for each in systems if each["name"] == name), systems[0])["axes"]
    if listed is None:
        return "", ()
    names, units = "", list[str]()
    for axis in as_list(listed):
        told = as_object(axis)
        name = str(told.get("name", axis)).lower()
        if name not in _AXES or len(name) != 1:
            raise NgffError(f"has an axis {name!r}; axes of t, c, z, y and x can be shown")
        names += name
        units.append(str(told.get("unit") or ""))
    if len(set(names)) != len(names) or not {"x", "y"} <= set(names):
        raise NgffError(f"has the axes {names}; y and x are needed, each once")
    return names, tuple(units)


def _output_of(dataset: dict[str, Any]) -> str:
    """Return the coordinate system into which a level is placed."""
    output = dataset["coordinateTransformations"][-1].get("output")
    return str(as_object(output).get("name", output))


def _transforms(listed: Any, count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return scale and translation; an axis without one has 1 and 0.

    Raises
    ------
    NgffError
        There is a transform of another type, which would be shown wrong.
    """
    scale, shift = [1.0] * count, [0.0] * count
    waiting: list[Any] = list(listed or ())
    while waiting:
        each = waiting.pop(0)
        kind = str(each["type"])
        if kind == "sequence":
            waiting = [*each["transformations"], *waiting]
        elif kind == "scale":
            factors = _numbers(each, "scale", count)
            scale = [a * b for a, b in zip(scale, factors, strict=True)]
            shift = [a * b for a, b in zip(shift, factors, strict=True)]
        elif kind == "translation":
            moved = _numbers(each, "translation", count)
            shift = [a + b for a, b in zip(shift, moved, strict=True)]
        elif kind != "identity":
            raise NgffError(
                f"places its image by a transform of the type {kind!r}; scale and translation "
                "alone can be shown"
            )
    return tuple(scale), tuple(shift)


def _numbers(transform: dict[str, Any], name: str, count: int) -> list[float]:
    values = as_list(transform.get(name))
    if not values:
        raise NgffError(
            f"keeps the numbers of its {name} in an array of their own, which cannot be read"
        )
    if count and len(values) != count:
        raise NgffError(f"has a {name} of {len(values)} numbers for {count} axes")
    return [float(value) for value in values]


def _check_levels(levels: list[NgffLevel], axes: str) -> None:
    """Refuse levels that are none of the same image: sizes must not grow, all else stays."""
    first = levels[0].array
    for level in levels[1:]:
        for at, axis in enumerate(axes):
            size, wanted = level.array.shape[at], first.shape[at]
            if size > wanted or (axis in "tc" and size != wanted):
                raise NgffError(
                    f"has levels that do not fit each other: {first.shape} and {level.array.shape}"
                )
        if level.array.dtype != first.dtype:
            raise NgffError(f"has levels of different types: {first.dtype} and {level.array.dtype}")


def _channels(omero: Any, count: int, dtype: str) -> tuple[NgffChannel, ...]:
    """Return what the file says of its first channels; nothing where it tells of more than are."""
    about = as_object(omero)
    listed = as_list(about.get("channels"))
    if len(listed) > count:
        return ()
    channels = tuple(_channel(as_object(each), dtype) for each in listed)
    is_gray = as_object(about.get("rdefs")).get("model") == "greyscale"
    # Whatever its color: writers put a gray there that would halve what is shown.
    return (replace(channels[0], color=_WHITE),) if is_gray and len(channels) == 1 else channels


def _channel(found: dict[str, Any], dtype: str) -> NgffChannel:
    color = str(found.get("color") or "")
    rgb = None
    if re.fullmatch(r"#?[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", color):
        red, green, blue = bytes.fromhex(color.removeprefix("#")[:6])
        rgb = (red, green, blue)
    window = _window(as_object(found.get("window")), dtype)
    is_on, is_inverted = found.get("active") is not False, found.get("inverted") is True
    return NgffChannel(str(found.get("label") or ""), rgb, window, is_on, is_inverted)


def _window(found: dict[str, Any], dtype: str) -> tuple[float, float] | None:
    """Return the values that are shown as black and as the full color.

    None also for a window which values of the type cannot fill: everything would be black.
    """
    low, high = found.get("start"), found.get("end")
    if not (isinstance(low, int | float) and isinstance(high, int | float) and low < high):
        return None
    if np.dtype(dtype).kind in "iu":
        least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        if low >= most or high <= least or high - low > _WIDEST_WINDOW * (most - least):
            return None
    try:
        return float(low), float(high)
    except OverflowError:
        return None
