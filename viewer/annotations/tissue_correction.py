"""What people drew on a slide to correct where it holds tissue."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely
from msgspec.structs import replace

from viewer.annotations import drawn_places
from viewer.annotations.masks.label_strips import covered, region_edges
from viewer.annotations.sets.listing import sets_of_slide
from viewer.annotations.sets.places import SetFiles
from viewer.annotations.storage.slide_file import kept_annotations
from viewer.annotations.storage.store import AnnotationStoreError
from viewer.folders import data_folder
from viewer.slides.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.slides.source import SlideSource
    from viewer.slides.tissue import TissueMask

_log = logging.getLogger(__name__)

TISSUE, IGNORE = "Tissue", "Ignore*"
"""Classes of regions that are tissue and of regions that are none; the latter is QuPath's."""


class TissueCorrection(msgspec.Struct, frozen=True):
    """Regions that are tissue, and regions that are not, whatever the colors say.

    Attributes
    ----------
    added, removed
        Polygons and multi-polygons, level-0 pixels. What is in both is none.
    """

    added: NDArray[np.object_]
    removed: NDArray[np.object_]

    @property
    def is_empty(self) -> bool:
        return not (len(self.added) or len(self.removed))

    @property
    def key(self) -> str:
        """Tell results apart that were made by another correction; "" for none."""
        if self.is_empty:
            return ""
        digest = hashlib.blake2b(digest_size=6)
        for shapes in (self.added, self.removed):
            # In whatever order they were drawn.
            for each in sorted(set(shapely.to_wkb(shapely.normalize(shapes)).tolist())):
                digest.update(each)
            digest.update(b";")
        return digest.hexdigest()

    def applied(self, mask: TissueMask) -> TissueMask:
        """Return a mask with every cell that a region holds the middle of as the region says."""
        if self.is_empty:
            return mask
        rows, columns = mask.cells.shape
        added, removed = (
            covered(region_edges(shapes), 0, 0, (columns, rows), mask.cell_px)
            for shapes in (self.added, self.removed)
        )
        return replace(mask, cells=(mask.cells | added) & ~removed)


def correction_of(annotations: Iterable[Annotation]) -> TissueCorrection:
    """Return what the regions of the classes Tissue and Ignore* say."""
    regions: dict[str, list[BaseGeometry]] = {TISSUE: [], IGNORE: []}
    for each in annotations:
        if each.class_name in regions and each.geometry.area > 0:
            regions[each.class_name].append(each.geometry)
    return TissueCorrection(*(np.array(regions[name], dtype=object) for name in (TISSUE, IGNORE)))


def kept_correction(identity: str, slide: Path) -> TissueCorrection:
    """Return what is kept of a slide alone, and in the sets of `drawn_places`.

    Nothing where annotations cannot be read.
    """
    names = (TISSUE, IGNORE)
    try:
        found = [*kept_annotations(identity, slide, naming=names)]
        for which in sets_of_slide(data_folder(), identity):
            found += SetFiles(which).kept(names)
        for place in drawn_places.drawn_in(identity):
            found += place.kept(names)
    except (AnnotationStoreError, sqlite3.Error, OSError) as error:
        _log.warning("the tissue is not corrected (%s)", error)
        return correction_of(())
    return correction_of({each.id: each for each in found}.values())


def corrected_tissue(source: SlideSource) -> TissueMask:
    """Return the tissue of a slide as people corrected it; for worker threads.

    Raises
    ------
    TileError
        The slide cannot be read.
    """
    mask = tissue_mask(source)
    return kept_correction(source.info.identity, source.path).applied(mask)
