"""Outlines what is pointed at, run by `Prompter` as `python -m viewer.inference.prompt_worker`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy import ndimage
from skimage.measure import find_contours

from viewer.inference.bundle import BundleError, load_bundle
from viewer.inference.click_mask import click_mask, pieces
from viewer.inference.messages import Outlined, Refused, Segment, receive_request, send

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

    Told = Sequence[tuple[float, float, int]]

_SMOOTH_PX = 0.7
_TOLERANCE_PX = 0.35
_LEAST_PX = 9


def outlines(mask: NDArray[np.bool_]) -> list[list[tuple[float, float]]]:
    """The outer rings of the pieces of a mask, x and y in pixels, the largest first."""
    labels = pieces(mask)
    rings: list[NDArray[np.float64]] = []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        piece = np.pad((labels[place] == number).astype(np.float32), 2)
        if piece.sum() < _LEAST_PX:
            continue
        smooth = find_contours(ndimage.gaussian_filter(piece, _SMOOTH_PX), 0.5)
        longest = max(smooth or find_contours(piece, 0.5), key=len)
        shift = (place[1].start - 1.5, place[0].start - 1.5)
        ring = shapely.LinearRing(longest[:, ::-1] + shift).simplify(_TOLERANCE_PX)
        rings.append(shapely.get_coordinates(ring)[:-1])
    rings.sort(key=lambda ring: -shapely.Polygon(ring).area)
    return [[(float(x), float(y)) for x, y in ring] for ring in rings]


def _of_model(folder: str) -> Callable[[RgbImage, Told], NDArray[np.bool_]]:
    from viewer.inference.prompt_model import PromptModel

    return PromptModel(load_bundle(Path(folder))).mask


def main() -> None:
    """Answers requests over stdin and stdout, and ends with them."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints must not speak between the messages
    models: dict[str, Callable[[RgbImage, Told], NDArray[np.bool_]]] = {"": click_mask}
    while isinstance(request := receive_request(requests), Segment):
        picture = np.frombuffer(request.pixels, np.uint8).reshape(request.side, request.side, 3)
        try:
            if request.model not in models:
                models[request.model] = _of_model(request.model)
            mask = models[request.model](picture, request.told)
        except BundleError as error:
            send(answers, Refused(str(error)))
        except Exception as error:  # a model may raise anything
            send(answers, Refused(f"Nothing could be outlined ({type(error).__name__}: {error})."))
        else:
            send(answers, Outlined(outlines(mask)))
    os._exit(0)


if __name__ == "__main__":
    main()
