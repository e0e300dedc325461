"""Slides made, read and embedded once, and kept: all that is trained and measured on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.evidence.impressions import impressions
from training.evidence.readers import EAGER, STEADY, read_slide
from training.evidence.sharing import do_each
from training.evidence.slides import make_slide
from viewer.attention.baselines import baseline_maps
from viewer.attention.examples import Example, example_of
from viewer.attention.fitting import TrainingOptions
from viewer.attention.slides_read import slide_read
from viewer.attention.training import description, untrained
from viewer.recording.session import read_header
from viewer.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from training.evidence.protocol import Protocol, SlideRecipe, Split
    from training.evidence.readers import Habit
    from viewer.inference.architectures.where_to_look import CellEncoder
    from viewer.inference.models.description import ModelDescription
    from viewer.recording.session import SessionHeader
    from viewer.slides.source import SlideSource

STEADY_READER = "steady"
DRILL = "drill"
_SEEDS_PER_SLIDE = 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """A slide as it is trained and measured on.

    Attributes
    ----------
    cells
        float16 (1, 127, rows + 6, columns + 6): embedded.
    known
        (rows, columns) the cells that a predictor answers for.
    maps
        (rows, columns) by name: the baselines, and "sight of GOAL", what readers go by.
    seconds
        (bands, rows, columns) by reader.
    boxes
        (n, 3) by reader: band, width and height in micrometers.
    headers
        Of the sessions, by reader.
    """

    recipe: SlideRecipe
    path: Path
    cells: NDArray[np.float16]
    known: NDArray[np.bool_]
    maps: dict[str, NDArray[np.float32]]
    seconds: dict[str, NDArray[np.float32]]
    boxes: dict[str, NDArray[np.float64]]
    headers: dict[str, tuple[Path, SessionHeader]]

    def example(self, reader: str) -> Example:
        """Return the slide as it teaches a predictor of one reader."""
        seconds = np.where(self.known, self.seconds[reader], np.float32(0))
        shares = (seconds / seconds.sum()).astype(np.float32)
        return Example(self.recipe.name, self.cells, self.known, shares, self.boxes[reader])


def readers_of(protocol: Protocol) -> dict[str, tuple[str, Habit]]:
    """Return goal and habit by reader."""
    eager = {goal: (goal, EAGER) for goal in (*protocol.goals, DRILL)}
    return {**eager, STEADY_READER: ("other", STEADY)}


def prepare(
    protocol: Protocol,
    split: Split,
    tiles: Path,
    work: Path,
    on_slide: Callable[[int], object] = lambda _: None,
) -> list[Prepared]:
    """Return the slides of a split; what an earlier run prepared is taken up."""
    kept = {recipe: work / "prepared" / f"{recipe.name}.npz" for recipe in protocol.of(split)}

    def one(recipe: SlideRecipe) -> None:
        path = make_slide(recipe, protocol, tiles, work / "slides" / split)
        source = open_slide(path)
        try:
            _keep(source, recipe, protocol, work, kept[recipe])
        finally:
            source.close()
        on_slide(sum(path.exists() for path in kept.values()))

    do_each((path, partial(one, recipe)) for recipe, path in kept.items())
    found: list[Prepared] = []
    for recipe, path in kept.items():
        slide = work / "slides" / split / f"{recipe.name}.tif"
        with np.load(path) as arrays:
            sessions = _sessions(protocol, work / "sessions" / recipe.name)
            found.append(_loaded(recipe, slide, sessions, dict(arrays)))
    return found


def _keep(
    source: SlideSource, recipe: SlideRecipe, protocol: Protocol, work: Path, kept: Path
) -> None:
    """Have a slide read by each reader, embed it, and keep all that is needed of it."""
    library = work / "sessions" / recipe.name
    shutil.rmtree(library, ignore_errors=True)
    seen = impressions(source, protocol.mpp_um)
    for number, (name, (goal, habit)) in enumerate(readers_of(protocol).items()):
        seed = recipe.seed * _SEEDS_PER_SLIDE + number
        read_slide(source, goal, seen[goal], seed, library / name, habit, name)
    sessions = _sessions(protocol, library)
    about, encoder = _encoder()
    slide = slide_read(source, list(sessions.values()), about)
    cells = kept.parent / "cells"
    cells.mkdir(parents=True, exist_ok=True)
    example = example_of(slide, encoder, about.normalization, 1, cells)
    assert example is not None
    arrays: dict[str, NDArray] = {"cells": example.variants, "known": slide.known}
    maps = baseline_maps(slide, recipe.seed)
    arrays |= {f"map/{name}": values for name, values in maps.items()}
    arrays |= {
        f"map/sight of {goal}": _on_grid(values, slide.known.shape) for goal, values in seen.items()
    }
    for name, reading in zip(sessions, slide.readings, strict=True):
        boxes = [
            (each.band, each.box.width * slide.mpp_um, each.box.height * slide.mpp_um)
            for each in reading.boxes
        ]
        arrays[f"boxes/{name}"] = np.array(boxes, np.float64).reshape(-1, 3)
        arrays[f"seconds/{name}"] = reading.seconds
    unfinished = kept.with_suffix(".part.npz")
    np.savez(unfinished, allow_pickle=False, **arrays)
    unfinished.replace(kept)


def _sessions(protocol: Protocol, library: Path) -> dict[str, tuple[Path, SessionHeader]]:
    """Return folder and header of each reader's session."""
    found: dict[str, tuple[Path, SessionHeader]] = {}
    for name in readers_of(protocol):
        folder = min((library / name).iterdir())
        found[name] = folder, read_header(folder)
    return found


@cache
def _encoder() -> tuple[ModelDescription, CellEncoder]:
    return description(), untrained(TrainingOptions()).encoder


def _on_grid(values: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return what a reader goes by, from 0 up, over the cells of the predictor."""
    grid = np.zeros(shape, np.float32)
    rows, columns = (min(a, b) for a, b in zip(shape, values.shape, strict=True))
    grid[:rows, :columns] = np.nan_to_num(values[:rows, :columns] - np.nanmin(values))
    return grid


def _loaded(
    recipe: SlideRecipe,
    path: Path,
    sessions: dict[str, tuple[Path, SessionHeader]],
    arrays: dict[str, NDArray],
) -> Prepared:
    def part(prefix: str) -> dict[str, NDArray]:
        return {
            name.removeprefix(prefix): values
            for name, values in arrays.items()
            if name.startswith(prefix)
        }

    return Prepared(
        recipe, path, arrays["cells"], arrays["known"], part("map/"), part("seconds/"),
        part("boxes/"), sessions,
    )  # fmt: skip


def use_one_thread() -> None:
    """Leave the other cores to those who work on them."""
    torch.set_num_threads(1)
