"""What the head is trained on: embedded cells and shares of attention, slide by slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save

from viewer.attention.patches import embedded_cells
from viewer.attention.readings import shares_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.slides.slide_key import file_name_of
from viewer.typed.safetensors import read_array

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from viewer.attention.slides_read import SlideRead
    from viewer.inference.architectures.where_to_look import CellEncoder
    from viewer.inference.models.description import Normalization
    from viewer.slides.source import RgbImage

_Value = TypeVar("_Value", bound=np.generic)


class Example(msgspec.Struct, frozen=True):
    """A slide for the head.

    Attributes
    ----------
    variants
        float16 (v, 127, rows + 6, columns + 6): the slide as it is, then in other stains.
    known
        (rows, columns).
    shares
        float32 (bands, rows, columns), adding up to 1 over the known cells.
    box_um
        (n, 3) band, width and height of the readers' boxes, micrometers.
    """

    identity: str
    variants: NDArray[np.float16]
    known: NDArray[np.bool_]
    shares: NDArray[np.float32]
    box_um: NDArray[np.float64]


def example_of(
    slide: SlideRead,
    encoder: CellEncoder,
    normalization: Normalization,
    variants: int,
    kept: Path,
) -> Example | None:
    """Embed a slide once, and keep it in the folder `kept` for a training that is taken up again.

    None where no session looked at its tissue.

    Raises
    ------
    TileError
        The slide cannot be read.
    OSError
        `kept` cannot be written.
    """
    shares = shares_of(slide.readings, slide.known)
    if shares is None:
        return None
    name = file_name_of(slide.identity)
    path = kept / f"{name}.safetensors"
    cells = _kept(path, (variants, *_padded(slide.known.shape)))
    if cells is None:
        rng = np.random.default_rng(list(slide.identity.encode()))
        cells = np.stack(
            [
                embedded_cells(
                    slide.source,
                    slide.grid,
                    slide.known,
                    encoder,
                    normalization,
                    _restained(rng) if variant else _as_it_is,
                )
                for variant in range(variants)
            ]
        )
        atomic_write_bytes(path, save({"cells": cells}))
    boxes = [
        (each.band, each.box.width * slide.mpp_um, each.box.height * slide.mpp_um)
        for reading in slide.readings
        for each in reading.boxes
    ]
    return Example(
        slide.identity, cells, slide.known, shares, np.array(boxes, np.float64).reshape(-1, 3)
    )


def turned(
    example: Example, variant: int, turns: int, *, mirrored: bool
) -> tuple[NDArray[np.float16], NDArray[np.bool_], NDArray[np.float32]]:
    """Cells, known and shares of a variant, turned by quarters and mirrored.

    Embeddings are means over a cell, which hardly depend on how the tissue is turned.
    """

    def turn(values: NDArray[_Value]) -> NDArray[_Value]:
        values = np.rot90(values, turns, (-2, -1))
        return np.ascontiguousarray(values[..., ::-1] if mirrored else values)

    return turn(example.variants[variant]), turn(example.known), turn(example.shares)


def _as_it_is(picture: RgbImage) -> RgbImage:
    return picture


def _restained(rng: Generator) -> Callable[[RgbImage], RgbImage]:
    """The same slide as another laboratory may have stained it: gains on the optical density."""
    gains = rng.uniform(0.75, 1.3) * rng.uniform(0.88, 1.13, 3)

    def vary(picture: RgbImage) -> RgbImage:
        optical = -np.log((picture.astype(np.float32) + 1) / 256)
        return np.clip(256 * np.exp(-optical * gains) - 1, 0, 255).astype(np.uint8)

    return vary


def _padded(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[0] + 6, shape[1] + 6


def _kept(path: Path, shape: tuple[int, ...]) -> NDArray[np.float16] | None:
    """Cells of an earlier beginning of this training; None where they do not fit."""
    try:
        cells = read_array(path, "cells", np.float16)
    except (OSError, SafetensorError, KeyError):
        return None
    fits = cells.ndim == 4 and (cells.shape[0], *cells.shape[2:]) == shape
    return cells if fits else None
