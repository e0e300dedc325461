"""Models on slides for scripts."""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.geometry import Box
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from os import PathLike

    from viewer.inference.runs.running import ModelRun


def run_model(
    model: str | PathLike[str],
    slide: str | PathLike[str],
    box: Box | tuple[float, float, float, float] | None = None,
    mpp_um: float | None = None,
    device: str = "auto",
    features: str | PathLike[str] | None = None,
) -> ModelRun:
    """Run a model over a slide and keep its results as the window does.

    Parameters
    ----------
    model
        A name such as "nuclei", or a model of any layout that is known: a folder, file or zip file.
    box
        x0, y0, x1, y1 in level-0 pixels; None takes the whole slide.
    mpp_um
        Micrometers per level-0 pixel, where the slide does not say.
    device
        "auto", "cpu", "cuda" or "mps".
    features
        Of slide models: a file of the features of the slide's tiles, as TRIDENT writes them.

    Returns
    -------
    The run; `objects()` holds outlines and measurements of models that find objects.

    Raises
    ------
    CoverslipError
        There is no such model or slide, or the run cannot go on.
    """
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.runs import running

    area = None if box is None else box if isinstance(box, Box) else Box(*box)
    given = None if features is None else Path(features)
    with opened_model(str(model)) as bundle:
        return running.run_model(
            slide_path(fspath(slide)), bundle, area, mpp_um, device, features=given
        )
