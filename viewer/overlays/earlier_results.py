"""Kept results that were made another way than results are made now: listed, never shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from viewer.overlays.former_objects import kept_objects
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import ObjectsError
from viewer.overlays.result_store import read_store, results_folder
from viewer.plurals import plural
from viewer.slides.former_names import former_file_name
from viewer.slides.slide_key import file_name_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_store import StoreAbout

_FORMER_DIGEST_BYTES = 12
_DIGEST = re.compile(r" [0-9a-f]{24,64}( |$)")


class EarlierResults(msgspec.Struct, frozen=True):
    """One file of results.

    Attributes
    ----------
    model
        Name and version of the model.
    mpp_um
        Micrometers per level-0 pixel at that time.
    tiles
        How many parts of the slide it holds.
    objects
        How many objects were found; None of models that find none.
    """

    path: Path
    model: str
    mpp_um: float
    tiles: int
    objects: int | None

    @property
    def sentence(self) -> str:
        found = "" if self.objects is None else f", {plural(self.objects, 'object')}"
        return f"{self.model}: {plural(self.tiles, 'tile')}{found}, made by an earlier version"


def earlier_results(
    identity: str, former_names: Iterable[str], steps_version: int
) -> list[EarlierResults]:
    """Return what earlier versions kept of a slide, which is not shown as current any more.

    Parameters
    ----------
    former_names
        What version 0.1 called the slide.
    steps_version
        Of the steps that make results now.
    """
    names = [former_file_name(name, _FORMER_DIGEST_BYTES) for name in former_names]
    found: list[EarlierResults] = []
    for name in (file_name_of(identity), *names):
        for path in sorted((results_folder() / name).glob("*.sqlite")):
            held = read_store(path)
            if held is not None and held[0].steps_version != steps_version and held[1]:
                found.append(_summary(path, *held))
    return found


def _summary(path: Path, about: StoreAbout, blocks: list[tuple[BlockKey, bytes]]) -> EarlierResults:
    model = _DIGEST.split(about.model, maxsplit=1)[0]
    found = ObjectMap(about.grid, about.mpp_um)
    try:
        for key, data in blocks:
            found.add(key, kept_objects(data))
        objects: int | None = len(found.all_objects())
    except (ObjectsError, ValueError):
        objects = None
    return EarlierResults(path, model, about.mpp_um, len(blocks), objects)
