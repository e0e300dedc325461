"""Models whose results follow from cell settings: the bundled detector, and the nuclei network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.inference.cells.settings import CellSettingsError, checked
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.description import ModelClass
from viewer.inference.tasks.known import TASKS

if TYPE_CHECKING:
    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.models.bundle import ModelBundle

_BLOCK_UM, _MARGIN_UM = 256.0, 32.0
"""A block's side and what is seen round it: more than the background and the expansion reach."""


def takes_settings(bundle: ModelBundle) -> bool:
    """Return whether a model finds cells by settings that people tune."""
    about = bundle.description
    is_tuned = TASKS[about.task].outlines and about.decoder in ("cells", "coverslip")
    return is_tuned and about.taught is None


def with_settings(bundle: ModelBundle, settings: CellSettings) -> ModelBundle:
    """Return a model that finds, measures and classifies cells by settings.

    Results of different settings are of different models: they are kept apart and never mixed.

    Raises
    ------
    BundleError
        The model takes no settings.
    CellSettingsError
        The settings contradict themselves, or no nucleus of the network could reach the threshold.
    """
    checked(settings)
    about = bundle.description
    if not takes_settings(bundle):
        raise BundleError(
            f"{bundle.name} takes no settings of cell detection: choose Cells or Nuclei."
        )
    if about.decoder == "cells":
        pixel_um = settings.requested_pixel_size_um
        margin_px = math.ceil(_MARGIN_UM / pixel_um)
        patch_px = round(_BLOCK_UM / pixel_um) + 2 * margin_px
        about = replace(about, mpp_um=pixel_um, patch_px=patch_px, margin_px=margin_px)
    else:  # a network is fed the pixel size that it was trained on
        if settings.threshold >= 1:
            raise CellSettingsError(
                f"The threshold of {bundle.name} is a probability: choose less than 1."
            )
        settings = replace(settings, requested_pixel_size_um=about.mpp_um)
    classes = tuple(ModelClass(name, color) for name, color in settings.colors)
    return replace(bundle, description=replace(about, cells=settings, classes=classes))
