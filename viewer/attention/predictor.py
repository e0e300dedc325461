"""A trained predictor at work on an open slide, without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError

from viewer.attention.proposing import ExpectedAttention, proposals
from viewer.errors import CoverslipError
from viewer.geometry import Box
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_library import all_models
from viewer.inference.runs.block_computing import compute_blocks
from viewer.inference.runs.block_reading import BlockReader
from viewer.inference.runs.plan import block_grid
from viewer.inference.tasks.known import TASKS
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.slides.calibration import known_mpp_um
from viewer.typed.safetensors import read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.attention.proposing import Proposal
    from viewer.geometry import Size
    from viewer.inference.models.bundle import ModelBundle
    from viewer.slides.source import SlideSource


class PredictorError(CoverslipError):
    """A slide that cannot be predicted on; `str()` is one sentence."""


class Predictor:
    """Reads a slide's low magnification and tells where readers would look.

    Raises
    ------
    BundleError
        The bundle is no predictor, or its weights do not fit.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        if not TASKS[bundle.task].tells_where_to_look:
            raise BundleError(
                f"{bundle.name} does not tell where to look: its task is {bundle.task}, not "
                "attention."
            )
        if bundle.description.architecture != "where-to-look":
            raise BundleError(f"{bundle.name} is not of the architecture where-to-look.")
        self.bundle = bundle
        self.magnifications = magnifications_of(bundle)
        self._box_um = box_sizes_um(bundle)

    def expected(self, source: SlideSource, mpp_um: float | None = None) -> ExpectedAttention:
        """Return how attention is expected to spread over a slide; takes seconds, so for a thread.

        Parameters
        ----------
        mpp_um
            Micrometers per level-0 pixel, where the file does not tell.

        Raises
        ------
        PredictorError
            The slide tells no scale.
        TileError
            It cannot be read.
        BundleError, ModelFailedError, ModelProcessError
            The predictor does not work.
        """
        scale = mpp_um or known_mpp_um(source)
        if scale is None:
            raise PredictorError(
                f"{source.path.name} does not tell its pixel size, and a predictor is fed a fixed "
                "um/px: set it in the window first."
            )
        grid = block_grid(source, self.bundle.description, scale)
        found = PatchFeatureMap(grid, scale)
        reader = BlockReader(source, grid, self.bundle.description)
        keys = grid.covering(Box(0, 0, *grid.slide))
        for key, result in compute_blocks(self.bundle, grid, scale, reader, keys):
            found.take(key, result)
        return expected_of(found, self.bundle, self._box_um)

    def proposals(
        self, source: SlideSource, k: int = 8, mpp_um: float | None = None
    ) -> list[Proposal]:
        """Return the fields that are worth going to, the best first; raises as `expected` does."""
        return proposals(self.expected(source, mpp_um), k)


def find_predictor(name: str = "") -> Predictor:
    """Return a predictor among the models at hand, by name; without one the last that was added.

    Raises
    ------
    BundleError
        There is none.
    """
    bundles = [bundle for bundle in all_models() if TASKS[bundle.task].tells_where_to_look]
    for bundle in reversed(bundles):
        if name.casefold() in ("", bundle.name.casefold(), bundle.folder.name.casefold()):
            return Predictor(bundle)
    wanted = f'no predictor "{name}"' if name else "no predictor of where to look"
    raise BundleError(
        f"There is {wanted}: make one with `coverslip train behavior` and add it with "
        "`coverslip models add`."
    )


def expected_attention(
    logits: NDArray[np.floating],
    magnifications: tuple[float | None, ...],
    box_um: list[tuple[float, float]],
    cell_px: float,
    slide: Size,
    mpp_um: float,
) -> ExpectedAttention:
    """Shares that add up to 1, from logits (bands, rows, columns) with NaN where unknown.

    Parameters
    ----------
    box_um
        Width and height of the usual box of each band.
    mpp_um
        Micrometers per level-0 pixel.
    """
    powers = np.exp(logits.astype(np.float64) - np.nanmax(logits, initial=-np.inf))
    shares = (powers / max(float(np.nansum(powers)), 1e-12)).astype(np.float32)
    box_px = tuple((width / mpp_um, height / mpp_um) for width, height in box_um)
    return ExpectedAttention(shares, magnifications, box_px, cell_px, slide)


def expected_of(
    found: PatchFeatureMap, bundle: ModelBundle, box_um: list[tuple[float, float]]
) -> ExpectedAttention:
    """Return what the engine has found so far, as if that were all of the slide."""
    logits = np.moveaxis(found.values.astype(np.float32), 2, 0)
    return expected_attention(
        logits, magnifications_of(bundle), box_um, found.cell, found.grid.slide, found.mpp_um
    )


def magnifications_of(bundle: ModelBundle) -> tuple[float | None, ...]:
    """Return the magnifications of a predictor: its classes are named "10x" and so on."""
    return tuple(_magnification(name) for name, _ in bundle.colors)


def box_sizes_um(bundle: ModelBundle) -> list[tuple[float, float]]:
    """Width and height of each band's usual box, out of the weights' file alone.

    Raises
    ------
    BundleError
        The file has none.
    """
    try:
        read = read_array(bundle.weights_path, "box_um", np.float64)
    except (OSError, SafetensorError) as error:
        raise BundleError(f"The weights of {bundle.name} tell no sizes of boxes.") from error
    sizes: list[tuple[float, float]] = read.tolist()
    return [(width, height) for width, height in sizes]


def _magnification(name: str) -> float | None:
    try:
        return float(name.removesuffix("x"))
    except ValueError:
        return None
