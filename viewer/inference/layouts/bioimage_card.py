"""What the rdf.yaml of a bioimage.io package says, of the versions 0.4 and 0.5 alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from viewer.inference.layouts.yaml_file import read_yaml
from viewer.inference.models.bundle import BundleError
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from pathlib import Path

CARD_NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
_UM = {
    "micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6,
    "µm": 1.0, "um": 1.0,
}  # fmt: skip
_AXIS = {"batch": "b", "channel": "c", "time": "t", "index": "i"}


class Step(msgspec.Struct, frozen=True):
    """A step before or after the network, by its name in either version."""

    name: str = ""
    id: str = ""
    kwargs: dict[str, Any] = {}

    @property
    def kind(self) -> str:
        return self.id or self.name


class _Size(msgspec.Struct, frozen=True):
    """Of an axis: from `min` in steps, or that of another axis."""

    min: int = 0
    step: int = 0
    offset: float = 0


class _Axis(msgspec.Struct, frozen=True):
    type: str
    id: str = ""
    size: int | _Size | None = None
    channel_names: list[str] | str = []
    scale: float = 1.0
    unit: str | None = None
    halo: int = 0

    @property
    def letter(self) -> str:
        return _AXIS.get(self.type, self.id or "x")


class _File(msgspec.Struct, frozen=True):
    source: str


class _Tensor(msgspec.Struct, frozen=True):
    axes: str | list[_Axis]
    name: str = ""
    id: str = ""
    shape: list[int] | dict[str, Any] = []
    halo: list[int] = []
    preprocessing: list[Step] = []
    postprocessing: list[Step] = []
    test_tensor: _File | None = None


class Weights(msgspec.Struct, frozen=True):
    """A file of weights in one of several formats."""

    source: str | _File


class _Cite(msgspec.Struct, frozen=True):
    text: str = ""
    doi: str | None = None
    url: str | None = None


class _Card(msgspec.Struct, frozen=True):
    """What both versions say."""

    name: str
    type: str
    format_version: str
    inputs: list[_Tensor]
    outputs: list[_Tensor]
    weights: dict[str, Weights]
    description: str = ""
    license: str = "unknown"
    version: str | int | float | None = None
    cite: list[_Cite] = []
    test_inputs: list[str] = []
    test_outputs: list[str] = []
    config: dict[str, Any] = {}


class Tensor(msgspec.Struct, frozen=True):
    """An input or output.

    Attributes
    ----------
    axes
        A letter an axis, such as "bcyx".
    sizes
        By letter: how many (fixed), or the least and the step to the next that fits.
    ratio, offset
        Of an output along y: pixels for each pixel of the input, and pixels more than that.
    halo
        Pixels at the border along y that are not to be relied on.
    channels
        Their names; none in version 0.4.
    um
        Micrometers per pixel; None where the card does not tell.
    steps
        Before or after the network.
    test
        File of a test tensor.
    """

    name: str
    axes: str
    sizes: dict[str, int | tuple[int, int]] = msgspec.field(default_factory=dict[str, Any])
    ratio: float = 1.0
    offset: float = 0.0
    halo: int = 0
    channels: tuple[str, ...] = ()
    um: float | None = None
    steps: tuple[Step, ...] = ()
    test: str = ""


class Package(msgspec.Struct, frozen=True):
    """A package as far as it matters here."""

    name: str
    version: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: dict[str, str]
    config: dict[str, Any]
    description: str
    license: str
    citation: str


def card_path(folder: Path) -> Path | None:
    """Return the card of a package; None where a folder holds none."""
    return next((folder / name for name in CARD_NAMES if (folder / name).is_file()), None)


def read_package(path: Path) -> Package:
    """Read a card. Raises BundleError."""
    name = f"{path.parent.name}/{path.name}"
    try:
        card = msgspec.convert(read_yaml(path), prepared(_Card), strict=False)
    except msgspec.ValidationError as error:
        raise BundleError(f"{name} is invalid: {error}.") from error
    if card.type != "model":
        raise BundleError(f"{name} describes a {card.type}, and no model.")
    if not card.format_version.startswith(("0.4.", "0.5.")):
        raise BundleError(f"{name} is of the format {card.format_version}: 0.4 and 0.5 are known.")
    if not card.inputs or not card.outputs:
        raise BundleError(f"{name} names no input or no output of the model.")
    tests = card.test_inputs, card.test_outputs
    inputs, outputs = (
        tuple(
            _tensor(each, files[at] if at < len(files) else "", name)
            for at, each in enumerate(tensors)
        )
        for tensors, files in zip((card.inputs, card.outputs), tests, strict=True)
    )
    cites = [f"{each.text} {each.doi or each.url or ''}".strip() for each in card.cite]
    sources = {
        kind: each.source if isinstance(each.source, str) else each.source.source
        for kind, each in card.weights.items()
    }
    version = "1" if card.version is None else str(card.version)
    return Package(
        card.name, version, inputs, outputs, sources, card.config, card.description, card.license,
        "; ".join(cites)[:2000],
    )  # fmt: skip


def _tensor(card: _Tensor, test: str, name: str) -> Tensor:
    steps = (*card.preprocessing, *card.postprocessing)
    if isinstance(card.axes, str):
        return _tensor_of_04(card, card.axes, test, steps, name)
    letters = "".join(axis.letter for axis in card.axes)
    by_letter = dict(zip(letters, card.axes, strict=True))
    sizes: dict[str, int | tuple[int, int]] = {}
    for letter, axis in by_letter.items():
        if isinstance(axis.size, int):
            sizes[letter] = axis.size
        elif axis.size is not None and axis.size.min:
            sizes[letter] = axis.size.min, axis.size.step
    channel, row, column = (by_letter.get(letter) for letter in "cyx")
    names = channel.channel_names if channel is not None else []
    um = None
    if row is not None and column is not None and row.unit is not None:
        um = row.scale * _UM.get(row.unit, 0.0) or None
        if column.scale != row.scale or column.unit != row.unit:
            raise BundleError(f"{name} says pixels that are not square: resample the model's data.")
    size = row.size if row is not None else None
    return Tensor(
        card.id or card.name,
        letters,
        sizes,
        row.scale if row is not None else 1.0,
        size.offset if isinstance(size, _Size) else 0.0,
        row.halo if row is not None else 0,
        tuple(names) if isinstance(names, list) else (),
        um,
        steps,
        card.test_tensor.source if card.test_tensor is not None else test,
    )


def _tensor_of_04(
    card: _Tensor, axes: str, test: str, steps: tuple[Step, ...], name: str
) -> Tensor:
    at = axes.find("y")
    sizes: dict[str, int | tuple[int, int]] = {}
    ratio, offset = 1.0, 0.0
    shape = card.shape
    try:
        if isinstance(shape, list):
            sizes = dict(zip(axes, shape, strict=True))
        elif "min" in shape:
            pairs = zip(shape["min"], shape["step"], strict=True)
            sizes = {
                letter: (int(least), int(step)) if step else int(least)
                for letter, (least, step) in zip(axes, pairs, strict=True)
            }
        elif at >= 0:
            ratio, offset = float(shape["scale"][at] or 1), 2 * float(shape["offset"][at])
        halo = int(card.halo[at]) if card.halo and at >= 0 else 0
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise BundleError(
            f"{name} is invalid: the shape of {card.name} does not fit its axes {axes}."
        ) from error
    return Tensor(card.name, axes, sizes, ratio, offset, halo, (), None, steps, test)
