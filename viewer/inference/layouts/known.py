"""All layouts; another one is a module of its own and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.errors import ModelFailedError
from viewer.inference.layouts import (
    bioimage_io,
    coverslip,
    instanseg,
    monai,
    transformers_clip,
    wsinfer,
)
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.description import MODEL_FILE
from viewer.inference.tasks.known import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.layouts.layout import Layout
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.models.description import ModelDescription

LAYOUTS: Sequence[Layout] = (
    coverslip, wsinfer, instanseg, bioimage_io, monai, transformers_clip,
)  # fmt: skip
"""The first that recognizes a path is taken."""


def layout_of(path: Path) -> Layout | None:
    """Return the layout of a folder or file; None where it is no model that is known."""
    return next((layout for layout in LAYOUTS if layout.recognizes(path)), None)


def is_model(path: Path) -> bool:
    """Return whether a folder or file is a model, by its names alone."""
    return layout_of(path) is not None


def described(path: Path) -> ModelBundle:
    """Describe a model without running it. Raises BundleError."""
    path = path.absolute()
    return _layout(path).described(path)


def usable_model(path: Path) -> ModelBundle:
    """Describe a model; one of another program has worked once, as described, before.

    Raises
    ------
    BundleError
        It is no model, or not as described.
    """
    return _model(path, is_tried=_layout(path) is not coverslip)


def checked_model(path: Path) -> ModelBundle:
    """Describe a model and let it work once. Raises BundleError."""
    return _model(path, is_tried=True)


def _model(path: Path, *, is_tried: bool) -> ModelBundle:
    path = path.absolute()
    layout = _layout(path)
    bundle = layout.described(path)
    try:
        if is_tried or _is_of_several_layouts(bundle.description):
            layout.prove(path, bundle)
    except ModelFailedError as error:
        raise BundleError(str(error)) from error
    return bundle


def _is_of_several_layouts(about: ModelDescription) -> bool:
    """Return whether only its answers show that a model is as described."""
    is_told = TASKS[about.task].is_told_by_shape and about.decoder == "coverslip"
    return not is_told or bool(about.parts)


def cards(path: Path) -> Sequence[Path]:
    """Return the files that tell people of a model. Raises BundleError."""
    return _layout(path).cards(path)


def _layout(path: Path) -> Layout:
    layout = layout_of(path)
    if layout is None and not path.exists():
        raise BundleError(
            f"There is no folder or file {path}; check its name, and that its drive is connected."
        )
    if layout is None:
        others = ", ".join(each.NAME for each in LAYOUTS[1:])
        raise BundleError(
            f"{path.name} is no model: it holds no {MODEL_FILE} and is none of {others}; "
            "choose the folder of a model."
        )
    return layout
