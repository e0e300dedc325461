"""Why a model calls a place of a slide what it calls it: the parts of a tile that speak for it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.geometry import Box, Point
from viewer.inference.process.explain_messages import Explain, Explained
from viewer.inference.runs.one_answer import one_answer
from viewer.inference.runs.part_weights import PartWeights, rolled_names, why_no_attention
from viewer.inference.runs.running import RunError, fitting_mpp_um
from viewer.inference.tasks.known import TASKS
from viewer.slides import TileError, open_slide
from viewer.slides.displayed import shown_region
from viewer.slides.region import Beyond, read_region

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.explain_messages import Method
    from viewer.slides.source import RgbImage

_PARTS = 14
"""Along a side of a tile."""


class Explanation(msgspec.Struct, frozen=True, eq=False):
    """What speaks for a class on a tile.

    Attributes
    ----------
    name, chance
        The class, and what the model says of it.
    by_class
        How much each part of the tile speaks for the class, by gradients or occlusion.
    attention
        Attention roll-out, and each head of the last layer; none where it cannot be had.
    note
        Why there is no attention; "" where there is.
    box, tile
        Where the tile lies (level-0 pixels), and how it is shown, uint8 (side, side, 3).
    """

    name: str
    chance: float
    method: Method
    by_class: PartWeights
    attention: tuple[PartWeights, ...]
    note: str
    box: Box
    tile: RgbImage

    @property
    def ways(self) -> tuple[PartWeights, ...]:
        """Return all maps, the one by class first."""
        return (self.by_class, *self.attention)

    @property
    def sentence(self) -> str:
        """Return what speaks for what, and whether that holds, for people."""
        return f"{self.name} {self.chance:.2f}: warm parts speak for it. {self.by_class.sentence}"

    def picture(self, by: PartWeights) -> RgbImage:
        """Return the tile with what counts by one of the ways in warm colors."""
        from PIL import Image

        side = len(self.tile)
        most = max(float(by.values.max()), 1e-12)
        share = np.clip(by.values / most, 0, 1).astype(np.float32)
        large = np.asarray(Image.fromarray(share).resize((side, side), Image.Resampling.BICUBIC))
        weight = 0.7 * np.clip(large, 0, 1)[..., np.newaxis]
        warm = np.array([230, 80, 0], np.float32)
        return (self.tile * (1 - weight) + warm * weight).clip(0, 255).astype(np.uint8)


def explain_tile(
    path: Path, bundle: ModelBundle, at: Point, name: str = "", mpp_um: float | None = None
) -> Explanation:
    """Return which parts of the tile round a place speak for a class of a tile classifier.

    Parameters
    ----------
    at
        The middle of the tile, level-0 pixels.
    name
        Of the class; by default the likeliest.
    mpp_um
        Micrometers per level-0 pixel, where the file does not tell.

    Raises
    ------
    SlideError
        The slide cannot be read.
    RunError
        One sentence says why there is no explanation.
    """
    about = bundle.description
    names = [each for each, _ in bundle.colors]
    if TASKS[about.task].explains != "tile" or about.input.slide_channels:
        raise RunError(f"{about.name} is no classifier of tiles: only those are explained.")
    if about.input.scaling in ("percentiles", "standard"):
        raise RunError(f"{about.name} is fed by the values of the whole slide: not explained yet.")
    if name and name not in names:
        raise RunError(f'{about.name} has no class "{name}"; it has {", ".join(names)}.')
    with closing(open_slide(path)) as source:
        base = source.levels[0]
        if not (0 <= at.x < base.width_px and 0 <= at.y < base.height_px):
            raise RunError(
                f"The place lies outside the slide, which is {base.width_px} x {base.height_px} px."
            )
        scale = fitting_mpp_um(source, bundle, mpp_um)
        side = about.patch_px * about.mpp_um / scale
        box = Box.around(at, side, side)
        try:
            tile = read_region(
                source, box, about.patch_px, about.patch_px, smaller_by=about.input.resampling
            )
        except TileError as error:
            raise RunError(str(error)) from error
        shown = shown_region(
            source, box, about.patch_px, about.patch_px, Beyond.REFLECTION,
            smaller_by=about.input.resampling,
        )  # fmt: skip
    index = names.index(name) if name else -1
    answer = one_answer(
        bundle,
        lambda process: Explain(process.put(tile), index, _PARTS),
        Explained,
        RunError,
    )
    values, attention = (
        np.frombuffer(data, np.float32).reshape(-1, _PARTS, _PARTS)
        for data in (answer.values, answer.attention)
    )
    ways = zip(rolled_names(len(attention)), attention, answer.attention_deletion, strict=True)
    return Explanation(
        names[answer.index],
        answer.chance,
        answer.method,
        PartWeights(answer.method, values[0], answer.deletion, answer.random),
        tuple(PartWeights(*way, answer.random) for way in ways),
        "" if len(attention) else why_no_attention(about, answer.method),
        box,
        shown,
    )
