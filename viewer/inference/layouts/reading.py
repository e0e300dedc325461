"""What layouts have in common: files read with limits, and descriptions that are checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

from viewer.errors import reason_of
from viewer.inference.models.bundle import BundleError, ModelBundle, file_sha256
from viewer.inference.models.contradictions import complaint
from viewer.inference.models.description import ModelDescription, names_as_stored
from viewer.limits import DESCRIPTION_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.untyped import is_sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_COLORS = (
    "#e69f00", "#56b4e9", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#f0e442", "#999999",
)  # fmt: skip
"""Told apart by people who see colors differently (Okabe and Ito 2008)."""
_CARDS = re.compile(
    r"(.*[-_. ])?(readme|license|licence|copying|notice|citation)(\.(md|txt|rst|cff|bib))?",
    re.IGNORECASE,
)
_LICENSES = re.compile(r".*(license|licence|copying).*", re.IGNORECASE)
_LICENSE = re.compile(r"^license:\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_UNKNOWN_LICENSE = "unknown"


_Wanted = TypeVar("_Wanted")


def read_json(path: Path, wanted: type[_Wanted]) -> _Wanted:
    """Read a small JSON file as a struct. Raises BundleError."""
    name = f"{path.parent.name}/{path.name}"
    try:
        return msgspec.json.decode(read_regular(path, DESCRIPTION_BYTES), type=prepared(wanted))
    except OSError as error:
        raise BundleError(f"{name} cannot be read ({reason_of(error)}).") from error
    except DECODE_ERRORS as error:
        raise BundleError(f"{name} is invalid: {error}.") from error


def bundle_of(weights: Path, about: dict[str, object]) -> ModelBundle:
    """Return the bundle of a file of weights; `about` is what model.json says beside its files.

    Raises
    ------
    BundleError
        The weights cannot be read, or the description contradicts itself.
    """
    try:
        digest = file_sha256(weights)
    except OSError as error:
        raise BundleError(
            f"{weights.parent.name} lacks its weights {weights.name} ({reason_of(error)}): "
            "copy the whole folder again."
        ) from error
    card = {"version": "1", "weights": weights.name, "sha256": digest, "license": _UNKNOWN_LICENSE}
    try:
        description = msgspec.convert(names_as_stored(card | about), prepared(ModelDescription))
    except msgspec.ValidationError as error:
        raise BundleError(f"{weights.parent.name} cannot be used: {error}.") from error
    if sentence := complaint(description):
        raise BundleError(f"{weights.parent.name} cannot be used: {sentence}.")
    return ModelBundle(weights.parent, description)


def class_list(names: Iterable[str]) -> list[dict[str, str]]:
    """Return classes as model.json has them, each with a color of its own."""
    return [
        {"name": name, "color": _COLORS[index % len(_COLORS)]} for index, name in enumerate(names)
    ]


def three_numbers(value: object) -> list[float] | None:
    """Return a number of each color, of three or of one for all; None of anything else."""
    values = value if is_sequence(value) else (value,)
    # Neither truth values nor their like.
    numbers = [float(each) for each in values if type(each) is int or type(each) is float]
    if len(numbers) != len(values) or len(numbers) not in (1, 3):
        return None
    return numbers * 3 if len(numbers) == 1 else numbers


def card_files(folder: Path) -> Sequence[Path]:
    """Return the readme, license and citation in a folder."""
    try:
        return [each for each in sorted(folder.iterdir()) if _CARDS.fullmatch(each.name)]
    except OSError:
        return []  # a folder that may be entered and not listed


def stated_license(folder: Path) -> str:
    """Return the license that the head of a readme or the first line of a license file states."""
    for card in card_files(folder):
        try:
            text = read_regular(card, DESCRIPTION_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        # Readmes of hubs begin with a head between lines of three dashes; a CFF is all head.
        head = text if card.suffix.lower() == ".cff" else ""
        head = text.split("---")[1] if text.startswith("---") else head
        if found := _LICENSE.search(head):
            return found[1].strip("\"' ")[:80]
        if _LICENSES.fullmatch(card.name) and (first := _first_words(text.split("\n", 8))):
            return first[:80]
    return _UNKNOWN_LICENSE


def _first_words(lines: Iterable[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def model_name(path: Path) -> str:
    """Return what a folder or file calls its model, also one in the cache of a hub."""
    if path.parent.name == "snapshots":
        return path.parent.parent.name.split("--")[-1][:80]
    return (path.name if path.is_dir() else path.stem)[:80] or "Model"


def check_one_input(inputs: int, name: str) -> None:
    """Check that a model takes nothing but an image. Raises BundleError."""
    if inputs != 1:
        raise BundleError(f"{name} takes {inputs} inputs: one is known, the image.")


def check_channels(channels: object, name: str) -> None:
    """Check that a model takes images of three channels. Raises BundleError."""
    if channels != 3:
        raise BundleError(
            f"{name} takes {channels or 'an unknown number of'} channels: slides are fed as three, "
            "red, green and blue."
        )


def side_of_square(height_px: int, width_px: int, name: str) -> int:
    """Return the side of the square images that a model takes. Raises BundleError."""
    if height_px != width_px:
        raise BundleError(f"{name} takes images of {width_px} x {height_px} px: squares are known.")
    return height_px
