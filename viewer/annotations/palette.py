"""The classes of annotations, with colors and keys; kept as JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.annotation import NO_COLOR, AnnotationClass
from viewer.errors import CoverslipError, reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from pathlib import Path


_COLOR = re.compile("#[0-9a-f]{6}")


class PaletteError(CoverslipError):
    """A file of classes that cannot be used; `str()` is one sentence."""


class PaletteClass(msgspec.Struct, frozen=True, omit_defaults=True, rename={"color": "colour"}):
    """One class.

    Attributes
    ----------
    color
        "#rrggbb".
    key
        Qt's portable text of the key that gives the class to what is chosen, or "".
    """

    name: str
    color: str
    key: str = ""

    @property
    def annotation_class(self) -> AnnotationClass:
        return AnnotationClass(self.name, self.color)


Palette = tuple[PaletteClass, ...]

DEFAULT_PALETTE: Palette = (
    PaletteClass("Tumor", "#c80000", "Ctrl+1"),
    PaletteClass("Stroma", "#96c896", "Ctrl+2"),
    PaletteClass("Immune cells", "#a05aa0", "Ctrl+3"),
    PaletteClass("Necrosis", "#323232", "Ctrl+4"),
    PaletteClass("Other", "#ffc800", "Ctrl+5"),
    PaletteClass("Region*", "#0000b4", "Ctrl+6"),
    PaletteClass("Ignore*", "#b4b4b4", "Ctrl+7"),
    PaletteClass("Positive", "#fa3e3e", "Ctrl+8"),
    PaletteClass("Negative", "#7070e1", "Ctrl+9"),
)
"""Names and colors as QuPath's users know them."""


class _StoredClass(msgspec.Struct):
    """A class in our own file, or in `classifiers/classes.json` of a QuPath project."""

    name: str
    own_color: str = msgspec.field(default="", name="colour")
    key: str = ""
    color: int | list[int] | None = None


class _File(msgspec.Struct):
    classes: list[object] | None = None
    path_classes: list[object] | None = msgspec.field(default=None, name="pathClasses")


def read_palette(path: Path) -> Palette:
    """Read our own JSON, or the classes of a QuPath project.

    Raises
    ------
    PaletteError
        The file cannot be read, or holds no classes.
    """
    try:
        document = msgspec.json.decode(read_regular(path, JSON_BYTES), type=prepared(_File))
    except OSError as error:
        raise PaletteError(f"{path.name} cannot be read ({reason_of(error)}).") from error
    except DECODE_ERRORS as error:
        raise PaletteError(f"{path.name} holds no list of classes: {error}.") from error
    entries = (*(document.classes or ()), *(document.path_classes or ()))
    classes = filter(None, map(_stored, entries))
    named = {each.name: _taken(each) for each in classes if each.name}
    if not named:
        raise PaletteError(f"{path.name} holds no classes.")
    return tuple(named.values())


def write_palette(path: Path, palette: Palette) -> None:
    """Raise OSError; a file that was there is left as it was."""
    text = msgspec.json.encode({"version": 1, "classes": palette})
    atomic_write_bytes(path, msgspec.json.format(text, indent=2))


def _stored(entry: object) -> _StoredClass | None:
    """Return what can be read of a class; None where it has no name."""
    if not is_mapping(entry):
        return None
    good: dict[str, object] = {}
    for field, value in entry.items():
        try:
            msgspec.convert({"name": "any", field: value}, prepared(_StoredClass))
        except msgspec.ValidationError:
            continue  # one bad attribute never costs the class
        good[field] = value
    return msgspec.convert(good, prepared(_StoredClass)) if "name" in good else None


def _taken(kept: _StoredClass) -> PaletteClass:
    color = kept.own_color.lower()
    if not _COLOR.fullmatch(color):
        match kept.color:
            case int() as packed:
                color = f"#{packed & 0xFFFFFF:06x}"
            case [red, green, blue, *_]:
                color = f"#{red & 255:02x}{green & 255:02x}{blue & 255:02x}"
            case _:
                color = NO_COLOR
    return PaletteClass(kept.name, color, kept.key)
