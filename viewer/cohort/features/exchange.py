"""Features of a store as the files that TRIDENT and CLAM read: SLIDE.h5, a slide each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from viewer.access import make_folder
from viewer.cohort.batch import output_names
from viewer.cohort.features.errors import FeatureStoreError
from viewer.files.atomic_write import atomic_write_bytes, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.cohort.features.rows import Encoder, SlideFeatures
    from viewer.cohort.features.store import FeatureStore

Layout = Literal["trident", "clam"]


def write_features(
    store: FeatureStore, encoder: Encoder, folder: Path, layout: Layout
) -> Iterator[Path]:
    """Write the features of all slides of an encoder, and yield each file when it is there.

    Raises
    ------
    FeatureStoreError
        The store cannot be read, or the folder not be written.
    """
    slides = store.slides(encoder)
    keys = sorted(slides, key=lambda key: (slides[key]["name"], key))
    names = output_names([slides[key]["path"] for key in keys], ".h5")
    try:
        make_folder(folder)
        for key, name in zip(keys, names, strict=True):
            path = folder / name
            atomic_write_bytes(path, _file(store.read_slide(encoder, key), encoder, layout))
            yield path
    except OSError as error:
        raise FeatureStoreError(unwritable(folder, error)) from error


def _file(features: SlideFeatures, encoder: Encoder, layout: Layout) -> bytes:
    """Return an HDF5 file. The names are those of both programs' readers.

    TRIDENT (Zhang et al. 2025) tells the scale in attributes of `coords`, CLAM (Lu et al. 2021)
    the pyramid's level and the patch's side there.
    """
    from viewer.cohort.features.hdf5 import hdf5_file

    side = round(features.side_px)
    about: dict[str, object] = {"name": Path(features.name).stem}
    if layout == "trident":
        about |= {
            "patch_size": encoder.patch_px or side,
            "patch_size_level0": side,
            "overlap": 0,
            "encoder": encoder.name,
        }
    else:
        about |= {"patch_level": 0, "patch_size": side, "downsample": np.ones(2)}
    places = np.round(features.places).astype(np.int64)
    return hdf5_file(features.vectors.astype(np.float32), places, about)
