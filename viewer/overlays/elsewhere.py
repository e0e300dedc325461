"""Fields that look alike on every slide that a model has embedded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import PatchFeatures, PatchFeaturesError
from viewer.overlays.result_store import CORRECTED, read_about, read_store, results_folder
from viewer.overlays.scoring import best_cells, likeness, mean_vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.overlays.result_store import StoreAbout

_PER_SLIDE = 6
"""Fields of one slide at most, so that one slide does not crowd out the rest."""


class FieldElsewhere(msgspec.Struct, frozen=True):
    """A field of another slide: where the slide was, which it is, and how alike the field is."""

    slide: Path
    identity: str
    box: Box
    likeness: float


def similar_elsewhere(
    wanted: NDArray[np.float32],
    model: str,
    but: str,
    count: int = 12,
    origin: NDArray[np.float32] | None = None,
) -> list[FieldElsewhere]:
    """Return the fields of all other slides most like a direction (`scoring.typical`), best first.

    One slide is in memory at a time.

    Parameters
    ----------
    model
        `ModelBundle.key` of what made the vectors.
    but
        Identity of the slide that is left out.
    origin
        (d,) what all slides are seen from, as `wanted` is; by default `common_mean`. Seen from its
        own mean, a slide of one tissue would show nothing but noise.
    """
    found: list[FieldElsewhere] = []
    if origin is None:
        origin = common_mean(model, len(wanted))
    for about, known in _slides(model, len(wanted)):
        if about.identity == but:
            continue
        values = likeness(known.values, wanted, origin)
        found += [
            FieldElsewhere(
                Path(about.slide), about.identity, known.cell_box(*cell), float(values[cell])
            )
            for cell in best_cells(values, _PER_SLIDE)
        ]
    return sorted(found, key=lambda field: -field.likeness)[:count]


def common_mean(model: str, length: int) -> NDArray[np.float32] | None:
    """Return the mean (d,) of the means of all slides that a model has embedded; None without any.

    Parameters
    ----------
    length
        Of a vector.
    """
    means = [mean_vector(known.values) for _, known in _slides(model, length)]
    return np.mean(means, 0).astype(np.float32) if means else None


def _slides(model: str, length: int) -> Iterator[tuple[StoreAbout, PatchFeatureMap]]:
    """Yield what is known of each slide, once, one slide in memory at a time."""
    seen: set[str] = set()
    for path in sorted(results_folder().glob("*/*.sqlite")):
        about = read_about(path)
        if about is None or about.identity in seen:
            continue
        if about.model.partition(CORRECTED)[0] != model:
            continue
        known = _embedded(path)
        if known is not None and known.values.shape[2] == length:
            seen.add(about.identity)
            yield about, known


def _embedded(path: Path) -> PatchFeatureMap | None:
    held = read_store(path)
    if held is None:
        return None
    about, blocks = held
    known = PatchFeatureMap(about.grid, about.mpp_um)
    for key, data in blocks:
        try:
            known.add(key, PatchFeatures.from_bytes(data))
        except (PatchFeaturesError, ValueError, IndexError):
            continue  # the model makes it again when the slide is opened
    return known if known.count else None
