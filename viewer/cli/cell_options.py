"""Options of `coverslip run` for cell detection."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from viewer.cli.output import fail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.cells.stain_vectors import StainSet, StainVectors
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.area import Area
    from viewer.slides import SlideSource

_KINDS: dict[str, StainSet] = {"h-dab": "H-DAB", "h-e": "H&E"}
_MACENKO = "macenko-"
_STAINS = "--stains takes h-dab, h-e, macenko-h-dab or macenko-h-e."


class CellOptions(msgspec.Struct, frozen=True):
    """What a command says of cells.

    Attributes
    ----------
    changes
        NAME=VALUE each, or several parted by semicolons.
    frozen
        In a batch, whose settings are the same for all slides: the stains of each slide as they
        were kept when it began, by `file_name_of` a slide's key. None outside of batches, where all
        settings that were kept for the slide hold unless something else is said.
    """

    changes: tuple[str, ...] = ()
    stains: str | None = None
    frozen: dict[str, StainVectors] | None = None


def tuned(
    bundle: ModelBundle,
    slide: Path,
    image: int | None,
    area: Area | None,
    options: CellOptions,
) -> ModelBundle:
    """Return a model with the settings of a command, by default those kept for the slide.

    A network keeps its own way unless a setting is asked for. What cannot be is said, and ends it.
    """
    from msgspec.structs import replace

    from viewer.inference.cells.kept_settings import kept_settings
    from viewer.inference.cells.models import takes_settings, with_settings
    from viewer.inference.cells.settings import CellSettings, CellSettingsError, changed
    from viewer.inference.cells.stain_vectors import StainError
    from viewer.slides import open_slide
    from viewer.slides.slide_key import file_name_of

    changes, stains = options.changes, options.stains
    is_asked = bool(changes) or stains is not None
    own = bundle.description.cells
    if not is_asked and (own is None or not takes_settings(bundle)):
        return bundle
    with closing(open_slide(slide, image)) as source:
        identity = source.info.identity
        settings = own or CellSettings(threshold=0.5)
        if options.frozen is not None:
            held = options.frozen.get(file_name_of(identity), settings.stains)
            settings = replace(settings, stains=held)
        elif (kept := kept_settings(identity)) is not None:
            settings = kept if own else replace(settings, stains=kept.stains)
        try:
            if stains is not None:
                settings = _with_stains(settings, source, area, stains)
            settings = changed(settings, _named(changes))
            return with_settings(bundle, settings)
        except (CellSettingsError, StainError) as error:
            fail(str(error))


def check_options(options: CellOptions) -> None:
    """End the command where what it says of cells can be right for no slide."""
    from viewer.inference.cells.settings import CellSettings, CellSettingsError, changed

    try:
        changed(CellSettings(), _named(options.changes))
    except CellSettingsError as error:
        fail(str(error))
    if options.stains is not None and _kind_of(options.stains) is None:
        fail(_STAINS)


def _kind_of(stains: str) -> StainSet | None:
    return _KINDS.get(stains.lower().removeprefix(_MACENKO))


def _with_stains(
    settings: CellSettings, source: SlideSource, area: Area | None, stains: str
) -> CellSettings:
    from msgspec.structs import replace

    from viewer.geometry import Box
    from viewer.inference.cells.estimating import estimated_stains
    from viewer.inference.cells.stain_vectors import StainVectors
    from viewer.overlays.area import bounds_of, part_within

    kind = _kind_of(stains)
    if kind is None:
        fail(_STAINS)
    if stains.lower().startswith(_MACENKO):
        base = source.levels[0]
        whole = Box(0, 0, base.width_px, base.height_px)
        region = whole if area is None else bounds_of(part_within(area, whole))
        if region.is_empty:
            return settings  # the run says that the region lies outside
        vectors = estimated_stains(source, region, kind)
    else:
        vectors = StainVectors.default(kind)
    return replace(settings, stains=vectors, is_scored=kind == "H-DAB")


def _named(changes: Sequence[str]) -> dict[str, object]:
    """Return settings by name, of NAME=VALUE each."""
    named: dict[str, object] = {}
    for change in ";".join(changes).split(";") if changes else ():
        name, sign, value = change.partition("=")
        if not sign:
            fail(f'--set takes NAME=VALUE, such as threshold=0.15, not "{change}".')
        named[name.strip()] = value.strip()
    return named
