"""Boxes with a class and a score, as networks of the YOLO kind give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from viewer.inference.tasks.objects import ObjectsTask

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription
    from viewer.inference.tasks.task import Shape

BoxLayout = Literal["scores", "objectness", "corners"]
"""Of the answer for an image, with c classes and n boxes.

"scores": (4 + c, n) with middle, size and scores; "objectness": (n, 5 + c) with middle, size,
objectness and scores; "corners": (n, 6) with two corners, score and class of boxes among which the
likeliest are chosen already.
"""
_CORNERS = 6


def box_layout(
    stated: BoxLayout | None, classes: int, rows: int, columns: int
) -> tuple[BoxLayout | None, str]:
    """Return how boxes lie in an answer of a shape; None and why where that cannot be told."""
    fits: list[BoxLayout] = []
    if rows == 4 + classes:
        fits.append("scores")
    if columns == 5 + classes:
        fits.append("objectness")
    if columns == _CORNERS:
        fits.append("corners")
    if stated is not None:
        if stated in fits:
            return stated, ""
        return None, f'which are no boxes "{stated}" of {classes} classes'
    if len(fits) == 1:
        return fits[0], ""
    if fits:
        either = " or ".join(f'"{each}"' for each in fits)
        return None, f'which can be read in several ways: say "boxes": {either} in model.json'
    return None, (
        f"which are no boxes of {classes} classes (4 + {classes} x n, n x 5 + {classes} or n x 6): "
        "name its classes in model.json, all and no others"
    )


class Detection(ObjectsTask):
    """Boxes of a patch; of those that overlap, the likeliest is kept."""

    name = "detection"
    steps = "viewer.inference.steps.detection:DetectionSteps"
    is_told_by_shape = False
    own = ("boxes",)

    def complaint(self, about: ModelDescription) -> str:
        if about.patch_px <= 2 * about.margin_px:
            return "margin_px leaves nothing of patch_px"
        return ""

    def block_px(self, about: ModelDescription) -> tuple[int, int]:
        return about.patch_px - 2 * about.margin_px, about.margin_px

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:  # noqa: ARG002
        return count, "rows", "columns"
