"""Teaches a pixel classifier by the marks of slides, and writes what was learned as a bundle."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from viewer.files.atomic_write import atomic_write_bytes
from viewer.inference.models.bundle import file_sha256, load_bundle
from viewer.inference.models.description import ModelDescription, write_description
from viewer.inference.teaching.errors import TeachingError
from viewer.inference.teaching.pixel_samples import MOST_PER_CLASS, PixelSamples, pixel_samples
from viewer.inference.teaching.pixel_settings import (
    ARCHITECTURE,
    CORE_PX,
    FEATURES_VERSION,
    MARGIN_PX,
    PATCH_PX,
)
from viewer.inference.teaching.pixel_teacher import PixelTeacher, TaughtSlide
from viewer.inference.teaching.taught_bundles import taught_folder
from viewer.inference.teaching.taught_card import TaughtCard
from viewer.prepared_types import prepared
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.teaching.marked_slides import MarkedSlides
    from viewer.inference.teaching.pixel_settings import PixelSettings
    from viewer.inference.teaching.taught_card import HeldOutFigures

WEIGHTS = "weights.safetensors"
_LEAST_PER_SLIDE = 100
_MOST_OF_ALL = 3 * MOST_PER_CLASS
"""Pixels of a class on all slides together, but for `_LEAST_PER_SLIDE`."""
_MOST_TIMES = 128.0
_COARSE = 1.5
"""Times coarser than what is to be told apart, that a slide's own pixels may be."""


class TaughtPixels(msgspec.Struct, frozen=True):
    """What was learned.

    Attributes
    ----------
    weights
        As safetensors.
    colors
        "#rrggbb" of each class, in the order of the classes.
    notes
        Sentences on what was left out.
    """

    weights: bytes
    settings: PixelSettings
    colors: Mapping[str, str]
    card: TaughtCard
    notes: tuple[str, ...] = ()


def train_pixels(
    marked: MarkedSlides, settings: PixelSettings, mpp_um: float | None = None, who: str = ""
) -> TaughtPixels:
    """Learn from marks on slides, and estimate how wrong the answers are.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel of slides that tell none.
    who
        The pseudonym of who teaches.

    Raises
    ------
    SlideError
        A slide cannot be read.
    TeachingError
        One sentence says why nothing is learned.
    """
    # The window takes sentences from here and opens no slide itself.
    from viewer.slides import open_slide
    from viewer.slides.calibration import known_mpp_um, no_pixel_size

    names = list(marked.colors)
    per_slide = min(MOST_PER_CLASS, max(_LEAST_PER_SLIDE, _MOST_OF_ALL // len(marked.slides)))
    notes: list[str] = []
    teacher = PixelTeacher(settings)
    with ExitStack() as stack:
        stack.callback(teacher.close)
        slides: list[TaughtSlide] = []
        samples: list[PixelSamples] = []
        keys: list[str] = []
        for each in marked.slides:
            source = open_slide(each.path)
            stack.callback(source.close)
            scale = known_mpp_um(source) or mpp_um
            if scale is None:
                raise TeachingError(no_pixel_size(each.path.name))
            if sentence := too_coarse(each.path.name, scale, settings):
                raise TeachingError(sentence)
            if sentence := coarse_note(each.path.name, scale, settings):
                notes.append(sentence)
            slide = TaughtSlide.of(source, scale, settings)
            found = pixel_samples(each.marks, names, slide.grid, scale, per_slide)
            notes += found.notes
            slides.append(slide)
            samples.append(found)
            keys.append(source.info.identity)
        weights = teacher.fit(slides, samples, names)
        figures = teacher.estimate(slides, samples, names)
    card = pixel_card(who, marked.counts, keys, figures)
    return TaughtPixels(weights, settings, marked.colors, card, tuple(notes))


def coarse_note(name: str, mpp_um: float, settings: PixelSettings) -> str:
    """Return a sentence where a slide is coarser than what is to be told apart, else ""."""
    if mpp_um <= _COARSE * settings.mpp_um:
        return ""
    return (
        f"{name} has {mpp_um:.3g} µm/px, coarser than the {settings.mpp_um:.3g} µm/px that is "
        "looked at: choose a coarser resolution."
    )


def too_coarse(name: str, mpp_um: float, settings: PixelSettings) -> str:
    """Return a sentence where a block would hold too much of a slide to be read, else ""."""
    times = settings.mpp_um / mpp_um
    if times <= _MOST_TIMES:
        return ""
    return (
        f"{name} has {mpp_um:.3g} µm/px, and {settings.mpp_um:.3g} µm/px is {times:,.0f} times "
        f"coarser (max. {_MOST_TIMES:.0f}): choose a finer resolution."
    )


def pixel_card(
    who: str, counts: Mapping[str, int], keys: Sequence[str], figures: HeldOutFigures
) -> TaughtCard:
    """Return the card of what is taught at this moment.

    Parameters
    ----------
    counts
        Marks of each class, in the order of the classes.
    keys
        Content keys of the slides.
    """
    return TaughtCard(
        by=who,
        at=utc_stamp(),
        marks=dict(counts),
        slides=tuple(dict.fromkeys(keys)),
        features_version=FEATURES_VERSION,
        held_out=figures,
    )


def write_pixel_classifier(folder: Path, taught: TaughtPixels, name: str) -> ModelBundle:
    """Write what was learned as an ordinary bundle.

    Raises
    ------
    TeachingError
        The folder holds something else, or cannot be written.
    BundleError
        What was written cannot be read.
    """
    with taught_folder(folder, "pixels"):
        weights = folder / WEIGHTS
        atomic_write_bytes(weights, taught.weights)
        write_description(folder, _described(taught, name, file_sha256(weights)))
    return load_bundle(folder)


def _described(taught: TaughtPixels, name: str, sha256: str) -> ModelDescription:
    settings = taught.settings
    return msgspec.convert(
        {
            "name": name,
            "version": taught.card.version,
            "task": "segmentation",
            "mpp_um": settings.mpp_um,
            "patch_px": PATCH_PX,
            "margin_px": MARGIN_PX,
            "stride_px": CORE_PX,
            "classes": [{"name": each, "colour": color} for each, color in taught.colors.items()],
            "head": "softmax",
            "format": "safetensors",
            "architecture": ARCHITECTURE,
            "settings": {
                "classes": len(taught.colors),
                "scales": settings.scales,
                "texture": int(settings.texture),
            },
            "weights": WEIGHTS,
            "sha256": sha256,
            "teaching": msgspec.to_builtins(taught.card),
            "licence": "of who taught it",
            "about": " ".join(taught.card.sentences),
        },
        prepared(ModelDescription),
    )
