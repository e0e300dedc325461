# pyright: basic
# (pylibCZIrw brings no complete types)
"""CZI of ZEISS through its own library, libCZI: scenes, channels, planes, times."""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.geometry import Optics
from viewer.limits import open_regular
from viewer.slides.channels import Axes, Channel, distinct_names, usual_color
from viewer.slides.czi_descriptions import CZI_MAGIC
from viewer.slides.errors import (
    DamagedSlideError,
    NoSuchImageError,
    UnsupportedSlideError,
    check_image,
)
from viewer.slides.readers.extras import need
from viewer.slides.readers.planes_source import PlanesSource
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.resolution import scale_doubt
from viewer.slides.source import ImageEntry, Level, SlideInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.channels import Color
    from viewer.slides.source import RgbImage
    from viewer.slides.tile_windows import Window

_log = logging.getLogger(__name__)

_TILE_PX = 512
_MOST_SUBBLOCKS = 500_000
_STORED = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32"}
_COLOR = {"Bgr24", "Bgr48", "Bgra32"}
_WHITE = (1.0, 1.0, 1.0)
_BLACK = (0.0, 0.0, 0.0)
_RANGE_PX = 512


def is_czi(path: Path) -> bool:
    """Return whether the file begins like a CZI. Raises OSError."""
    with open_regular(path) as file:
        return file.read(len(CZI_MAGIC)) == CZI_MAGIC


def open_czi(path: Path, image: int | None = None) -> PlanesSource | None:
    """Open a CZI file; None for all others.

    Raises
    ------
    SlideError
        It cannot be opened.
    OSError
        It cannot be read.
    """
    if path.is_dir() or not is_czi(path):
        return None
    need("pylibCZIrw", "vendor", path, "a CZI slide of ZEISS")
    from pylibCZIrw.czi import CziReader

    try:
        return _source(path, CziReader(str(path)), image)
    except (NoSuchImageError, UnsupportedSlideError):
        raise
    except Exception as error:  # a damaged file can make the parser fail in any way
        _log.info("%s cannot be read by libCZI (%r)", path, error)
        reason = str(error).rstrip(".")
        raise DamagedSlideError(
            path,
            f"{path.name} is a CZI file that cannot be read ({reason}); it may be damaged or cut "
            "short, so copy it again from where it came.",
        ) from error


def _source(path: Path, document: Any, wanted: int | None) -> PlanesSource:
    scenes = document.scenes_bounding_rectangle_no_pyramid or document.scenes_bounding_rectangle
    boxes = [(index, tuple(box)) for index, box in sorted(scenes.items())]
    boxes = boxes or [(None, tuple(document.total_bounding_rectangle_no_pyramid))]
    largest = max(range(len(boxes)), key=lambda index: boxes[index][1][2] * boxes[index][1][3])
    chosen = largest if wanted is None else wanted
    check_image(path, wanted, len(boxes))
    scene, box = boxes[chosen]
    types = document.pixel_types
    unknown = sorted(
        {each for each in types.values() if each not in _STORED and each not in _COLOR}
    )
    if unknown:
        raise UnsupportedSlideError(
            path, f"{path.name} holds pixels of the type {unknown[0]}, which cannot be shown."
        )
    told = _Told(document.metadata)
    sizes = {axis: end - start for axis, (start, end) in document.total_bounding_box.items()}
    is_rgb = types[min(types)] in _COLOR
    notes: list[str] = []
    if is_rgb and len(types) > 1:
        notes.append(f"Of the {len(types)} channels of this slide the one in color is shown.")
    if types[min(types)] == "Bgr48":
        notes.append("Its colors of 16 bits are shown in 8 bits.")
    reader = _CziReader(document, scene, box, sorted(types), is_rgb=is_rgb)
    x_um, y_um, z_um = (told.size_um(axis) for axis in "XYZ")
    optics = Optics((x_um, y_um) if x_um and y_um else None, told.objective_power)
    notes += [doubt] if (doubt := scale_doubt(optics)) else []
    entries = tuple(
        ImageEntry(index, f"Scene {index + 1}", each[2], each[3], len(reader.factors))
        for index, (_, each) in enumerate(boxes)
    )
    info = SlideInfo(
        vendor="zeiss",
        reader="libCZI",
        optics=optics,
        properties={"czi.title": told.title} if told.title else {},
        notes=tuple(notes),
        images=entries if len(entries) > 1 else (),
        image=chosen,
        part="" if chosen == largest else f"scene {chosen}",
        axes=Axes(
            () if is_rgb else _channels(told, types, reader),
            sizes.get("Z", 1),
            z_um,
            sizes.get("T", 1),
        ),
    )
    levels = tuple(
        Level(box[2] // factor, box[3] // factor, float(factor), _TILE_PX, _TILE_PX)
        for factor in reader.factors
    )
    return PlanesSource(path, info, levels, reader)


def _channels(told: _Told, types: dict[int, str], reader: _CziReader) -> tuple[Channel, ...]:
    numbers = sorted(types)
    names = distinct_names([told.channel_names.get(number, "") for number in numbers])
    return tuple(
        Channel(
            name,
            told.channel_colors.get(number) or usual_color(name, index, len(numbers)),
            _STORED[types[number]],
            reader.value_range(index),
        )
        for index, (number, name) in enumerate(zip(numbers, names, strict=True))
    )


class _Told:
    """What the XML of a CZI says, as the dictionaries that the library makes of it."""

    def __init__(self, metadata: Any) -> None:
        inside = _at(metadata, "ImageDocument", "Metadata")
        self._distances = _list(_at(inside, "Scaling", "Items", "Distance"))
        self.title = str(_at(inside, "Information", "Document", "Title") or "")
        power = _at(inside, "Information", "Instrument", "Objectives", "Objective")
        self.objective_power = _number(_at((_list(power) or [None])[0], "NominalMagnification"))
        listed = _list(_at(inside, "Information", "Image", "Dimensions", "Channels", "Channel"))
        shown = _list(_at(inside, "DisplaySetting", "Channels", "Channel"))
        self.channel_names: dict[int, str] = {}
        self.channel_colors: dict[int, Color] = {}
        for index, channel in enumerate(listed):
            self.channel_names[index] = str(_at(channel, "@Name") or "")
            display = shown[index] if index < len(shown) else None
            color = str(_at(display, "Color") or _at(channel, "Color") or "")
            if re.fullmatch(r"#?(?:[0-9A-Fa-f]{2})?[0-9A-Fa-f]{6}", color):
                red, green, blue = bytes.fromhex(color[-6:])
                self.channel_colors[index] = (red, green, blue)

    def size_um(self, axis: str) -> float | None:
        for distance in self._distances:
            if _at(distance, "@Id") == axis:
                metres = _number(_at(distance, "Value"))
                return metres * 1e6 if metres else None
        return None


def _at(found: Any, *names: str) -> Any:
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else ([] if found is None else [found])


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 < value < float("inf") else None


class _CziReader:
    """Reads windows of one scene; fulfils `PlaneReader`."""

    def __init__(
        self,
        document: Any,
        scene: int | None,
        box: tuple[int, ...],
        numbers: list[int],
        *,
        is_rgb: bool,
    ) -> None:
        self._document: Any = document
        self._scene = scene
        self._box = box
        self._numbers = numbers
        self._is_rgb = is_rgb
        self._lock = threading.Lock()
        starts = document.total_bounding_box
        self._first = {axis: starts[axis][0] for axis in ("Z", "T") if axis in starts}
        self._planes: set[tuple[int, ...]] | None = set()
        self.factors = self._stored_factors()

    def read(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        if self._is_rgb:
            picture = self._pixels(level, window, self._numbers[0], z, t, "Bgr24", _WHITE)
            return np.moveaxis(picture[..., ::-1], 2, 0)[list(channels)]
        parts = [
            self._pixels(level, window, self._numbers[each], z, t, None, _BLACK)[..., 0]
            for each in channels
        ]
        return np.stack(parts)

    def read_associated(self, name: str) -> RgbImage:
        raise ChunkError(f"there is no {name}")

    def value_range(self, channel: int) -> tuple[float, float]:
        """Return the smallest and largest value of the middle of the coarsest level."""
        level = len(self.factors) - 1
        width, height = (side // self.factors[level] for side in self._box[2:])
        wide, tall = min(width, _RANGE_PX), min(height, _RANGE_PX)
        window = ((width - wide) // 2, (height - tall) // 2, wide, tall)
        try:
            values = self.read(level, window, (channel,), 0, 0)
        except ChunkError as error:
            _log.info("the range of a channel is not known (%s)", error)
            return (0.0, 1.0)
        low, high = float(values.min()), float(values.max())
        return (low, high) if high > low else (low, low + 1)

    def close(self) -> None:
        with self._lock:
            document, self._document = self._document, None
            if document is not None:
                document.close()

    def _pixels(
        self,
        level: int,
        window: Window,
        number: int,
        z: int,
        t: int,
        pixel_type: str | None,
        background: tuple[float, float, float],
    ) -> NDArray[Any]:
        factor = self.factors[level]
        left, top, width, height = window
        roi = (
            self._box[0] + left * factor,
            self._box[1] + top * factor,
            width * factor,
            height * factor,
        )
        plane = {"C": number} | {
            axis: start + {"Z": z, "T": t}[axis] for axis, start in self._first.items()
        }
        if self._planes is not None and _place(plane) not in self._planes:
            raise ChunkError("the file holds nothing of this plane")  # the library gives black
        try:
            with self._lock:
                if self._document is None:
                    raise ChunkError("the slide has been closed")
                return self._document.read(
                    roi, plane, self._scene, 1.0 / factor, pixel_type, background
                )
        except ChunkError:
            raise
        except Exception as error:  # the library's own classes
            raise ChunkError(f"its data is damaged ({error})") from error

    def _stored_factors(self) -> list[int]:
        """Return how much smaller the levels are that the file stores, 1 first.

        It goes through what is stored, and notes of which planes there is something.
        """
        seen: dict[float, int] = {}

        def note(index: int, block: Any) -> bool:
            zoom = block.get_zoom()
            seen[zoom] = seen.get(zoom, 0) + 1
            if self._planes is not None:
                self._planes.add(_place(block.coordinate.to_dict()))
                if index >= _MOST_SUBBLOCKS:
                    self._planes = None  # more than is looked through
            return index < _MOST_SUBBLOCKS

        self._document.enumerate_subblocks(note)
        factors = {max(1, round(1 / zoom)) for zoom in seen if zoom > 0}
        smallest = min(self._box[2:])
        return sorted({1, *(each for each in factors if smallest // each > 0)})


def _place(plane: dict[str, int]) -> tuple[int, ...]:
    """Return channel, plane and time of a coordinate of the library."""
    return tuple(plane.get(axis, 0) for axis in "CZT")
