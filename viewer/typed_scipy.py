# pyright: basic
# (scipy brings no types)
"""What is used of scipy, with its types.

It takes a third of a second to load, which no start of the window needs: it imports this where it
is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from scipy import fft, ndimage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Labels = NDArray[np.int32]
    Edge = Literal["reflect", "constant"]

Number = TypeVar("Number", bound=np.floating)


def gaussian_filter(
    values: NDArray[Number],
    sigma: float | Sequence[float],
    *,
    mode: Edge = "reflect",
    truncate: float = 4.0,
) -> NDArray[Number]:
    """Return values smoothed by a Gaussian, of one sigma or one an axis."""
    return np.asarray(
        ndimage.gaussian_filter(values, sigma, mode=mode, truncate=truncate), values.dtype
    )


def uniform_filter(
    values: NDArray[Number], size: int, *, mode: Edge = "reflect"
) -> NDArray[Number]:
    """Return the means of windows of so many cells along each axis."""
    return np.asarray(ndimage.uniform_filter(values, size, mode=mode), values.dtype)


def uniform_filter1d(values: NDArray[Number], size: int, axis: int) -> NDArray[Number]:
    """Return the means of windows of so many cells along one axis."""
    return np.asarray(ndimage.uniform_filter1d(values, size, axis), values.dtype)


def maximum_filter(values: NDArray[Number], size: int) -> NDArray[Number]:
    """Return the largest of each window of so many cells along each axis."""
    return np.asarray(ndimage.maximum_filter(values, size), values.dtype)


def binary_dilation(mask: Mask, *, iterations: int = 1) -> Mask:
    """Return a mask that is so many pixels wider."""
    return np.asarray(ndimage.binary_dilation(mask, iterations=iterations), bool)


def binary_opening(mask: Mask, *, iterations: int = 1) -> Mask:
    """Return a mask without what is narrower than so many erosions leave."""
    return np.asarray(ndimage.binary_opening(mask, iterations=iterations), bool)


def binary_fill_holes(mask: Mask) -> Mask:
    """Return a mask with its holes filled."""
    return np.asarray(ndimage.binary_fill_holes(mask), bool)


def distance_transform_edt(mask: Mask) -> NDArray[np.float64]:
    """Return how far each pixel of a mask lies from what is not in it."""
    return np.asarray(ndimage.distance_transform_edt(mask))


def label(mask: Mask) -> tuple[Labels, int]:
    """Return the pieces of a mask, numbered from 1, and how many there are."""
    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=labels)
    return labels, int(labels.max(initial=0))


def find_objects(labels: Labels) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield each number of a picture of labels that occurs, and its bounding box."""
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is not None:
            yield number, place


def convolved(plane: NDArray[Number], kernel: NDArray[Number]) -> NDArray[Number]:
    """Return the sums of a plane under a kernel that is odd in both directions."""
    full = [a + b - 1 for a, b in zip(plane.shape, kernel.shape, strict=True)]
    shape = [fft.next_fast_len(each, real=True) for each in full]
    product = np.asarray(fft.rfft2(plane, shape)) * np.asarray(fft.rfft2(kernel, shape))
    whole = np.asarray(fft.irfft2(product, shape))
    top, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    return whole[top : top + plane.shape[0], left : left + plane.shape[1]]


def connected_components(ends: NDArray[np.intp], count: int) -> tuple[int, Labels]:
    """Return how many groups links (2, n) make of so many things, and (count,) which each is in."""
    from scipy.sparse import coo_matrix, csgraph  # few need it

    links = coo_matrix((np.ones(ends.shape[1], bool), (ends[0], ends[1])), (count, count))
    return csgraph.connected_components(links, directed=False)


def rankdata(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value, from 1; of equal ones the mean of theirs."""
    from scipy.stats import rankdata  # few need it, and it takes long to load

    return np.asarray(rankdata(values))
