"""What is wrong with one slide: tissue, focus, pen, folds, stain, and what its file tells."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.inference.cells.stain_vectors import StainVectors, optical_density
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.runs.running import RunError, run_model
from viewer.overlays.scoring import head_values
from viewer.plain_text import without_name
from viewer.slides import SlideError, TileError, open_slide
from viewer.slides.calibration import known_mpp_um
from viewer.slides.fluorescence import is_fluorescence
from viewer.slides.glass import overview_classes
from viewer.slides.tissue import tissue_mask
from viewer.slides.tray import shown_thumbnail, thumbnail
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import RgbImage, SlideSource

_QUALITY = "tissue-quality"
_PROBLEMS = {"Out of focus": "blur", "Pen mark": "pen", "Dark or folded": "fold"}
"""Classes of *Tissue quality*, and the members of a check that hold their share."""
_THUMBNAIL_PX = 1024
_LEAST_PIXELS = 500
"""Of tissue in the small picture; of fewer no stain is told."""


class SlideCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a slide; None where it could not be told.

    Attributes
    ----------
    file
        Size and time of change (ns) of the slide's file: another file is checked anew.
    error
        One sentence where the slide cannot be opened or read.
    tissue_mm2, tissue_share
        Area of tissue, and its share of the scanned area.
    blur, pen, fold
        Shares of the patches with tissue that are out of focus, under pen, dark or folded.
    hematoxylin, eosin
        Mean optical density (log10) of the tissue along QuPath's default vectors.
    """

    path: str
    name: str
    file: tuple[int, int] = (0, 0)
    at_utc: str = ""
    key: str = ""
    error: str = ""
    width_px: int | None = None
    height_px: int | None = None
    mpp_um: float | None = None
    magnification: float | None = None
    tissue_mm2: float | None = None
    tissue_share: float | None = None
    blur: float | None = None
    pen: float | None = None
    fold: float | None = None
    hematoxylin: float | None = None
    eosin: float | None = None
    notes: list[str] = []


def check_slide(
    path: Path, file: tuple[int, int], mpp_um: float | None = None
) -> tuple[SlideCheck, RgbImage | None]:
    """Check a slide, and return a small picture of it, where it has one; raises nothing.

    Parameters
    ----------
    file
        Its size and time of change (ns).
    mpp_um
        µm per level-0 pixel, where the slide does not tell.
    """
    check = SlideCheck(path=str(path.absolute()), name=path.name, file=file, at_utc=utc_stamp())
    picture = None
    try:
        with closing(open_slide(path)) as source:
            check = _told(check, source, mpp_um)
            picture = thumbnail(source, _THUMBNAIL_PX)
            check = _with_tissue(check, source, picture)
            if source.info.icc_profile:
                picture = shown_thumbnail(source, _THUMBNAIL_PX)
            is_dark = is_fluorescence(source.info)
        if is_dark:
            note = "Scanned in fluorescence: focus, folds and stain are not checked."
            notes = [*check.notes, note]
            check = msgspec.structs.replace(check, notes=notes, hematoxylin=None, eosin=None)
            return check, picture
        check = _with_quality(check, path)
    except (SlideError, TileError) as error:
        check = msgspec.structs.replace(check, error=without_name(str(error), path.name))
    return check, picture


def _told(check: SlideCheck, source: SlideSource, mpp_um: float | None) -> SlideCheck:
    base, info = source.levels[0], source.info
    return msgspec.structs.replace(
        check,
        key=info.identity,
        width_px=base.width_px,
        height_px=base.height_px,
        mpp_um=known_mpp_um(source) or mpp_um,
        magnification=info.optics.native_magnification,
        notes=list(info.notes),
    )


def _with_tissue(check: SlideCheck, source: SlideSource, picture: RgbImage) -> SlideCheck:
    mask = tissue_mask(source)
    share = float(mask.cells.mean()) if mask.cells.size else 0.0
    width, height = mask.cell_px
    area_px = float(mask.cells.sum()) * width * height
    area_mm2 = None if check.mpp_um is None else round(area_px * check.mpp_um**2 / 1e6, 4)
    stains: list[float | None] = [None, None]
    is_tissue = overview_classes(picture).is_tissue
    if int(is_tissue.sum()) >= _LEAST_PIXELS:
        density = optical_density(picture[is_tissue], (255.0, 255.0, 255.0))
        amounts = density @ StainVectors.default("H&E").weights()
        stains = [round(float(each), 4) for each in amounts.mean(0)[:2]]
    return msgspec.structs.replace(
        check, tissue_mm2=area_mm2, tissue_share=round(share, 5),
        hematoxylin=stains[0], eosin=stains[1],
    )  # fmt: skip


def _with_quality(check: SlideCheck, path: Path) -> SlideCheck:
    """Have *Tissue quality* look at the slide; what it cannot is a note, not an error."""
    try:
        bundle = find_model(str(BUNDLED / _QUALITY))
        run = run_model(path, bundle, mpp_um=check.mpp_um)
    except (BundleError, RunError) as error:
        return msgspec.structs.replace(check, notes=[*check.notes, str(error)])
    notes = [*check.notes, *run.troubles]
    found = run.found.as_patches
    assert found is not None
    if not found.count:
        return msgspec.structs.replace(check, notes=notes)
    values = head_values(found.values[found.known], found.head)
    called = values.argmax(-1)
    names = [name for name, _ in bundle.colors]
    counts = np.bincount(called, minlength=len(names))
    tissue = int(counts.sum() - counts[names.index("Background")])
    if not tissue:
        return msgspec.structs.replace(check, notes=notes)
    shares = {
        member: round(float(counts[names.index(name)]) / tissue, 4)
        for name, member in _PROBLEMS.items()
    }
    return msgspec.structs.replace(check, notes=notes, **shares)
