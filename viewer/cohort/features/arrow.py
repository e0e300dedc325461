# pyright: basic
# (pyarrow brings no types)
"""Features as Arrow: schemas of the tables of a store, and what is added to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from viewer.cohort.features.rows import SlideFeatures


def slides_schema() -> object:
    """Return the columns of the table of slides."""
    text, number = pa.string(), pa.float64()
    return pa.schema(
        [
            ("slide", text), ("encoder_key", text), ("encoder", text), ("path", text),
            ("name", text), ("patches", pa.int64()), ("mpp_um", number), ("side_px", number),
            ("attributes", text), ("at_utc", text),
        ]
    )  # fmt: skip


def patches_schema(length: int) -> object:
    """Return the columns of a table of patches with vectors of a length."""
    text, number = pa.string(), pa.float32()
    return pa.schema(
        [
            ("slide", text), ("name", text), ("x", pa.float64()), ("y", pa.float64()),
            ("side_px", number), ("mpp_um", number), ("quality", number),
            ("vector", pa.list_(pa.float16(), length)),
        ]
    )  # fmt: skip


def patches_table(features: SlideFeatures, length: int) -> object:
    """Return a row for each patch of a slide."""
    count = len(features)
    flat = pa.array(np.ascontiguousarray(features.vectors, np.float16).ravel())
    return pa.table(
        {
            "slide": [features.slide] * count,
            "name": [features.name] * count,
            "x": features.places[:, 0],
            "y": features.places[:, 1],
            "side_px": np.full(count, features.side_px, np.float32),
            "mpp_um": np.full(count, features.mpp_um, np.float32),
            "quality": features.quality.astype(np.float32),
            "vector": pa.FixedSizeListArray.from_arrays(flat, length),
        },
        schema=patches_schema(length),
    )
