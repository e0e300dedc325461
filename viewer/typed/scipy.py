# pyright: basic
# (scipy brings no types)
"""What is used of scipy, with its types.

It takes a third of a second to load, which no start of the window needs: it imports this where it
is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import scipy.fft
import scipy.ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Labels = NDArray[np.int32]
    Edge = Literal["reflect", "constant"]

# To infer types from its code takes the type checker seconds, and brings none.
ndimage: Any = scipy.ndimage
fft: Any = scipy.fft
Number = TypeVar("Number", bound=np.floating)
Value = TypeVar("Value", bound=np.generic)


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


def median_filter(values: NDArray[Number], footprint: Mask) -> NDArray[Number]:
    """Return the median of what lies under a footprint round each pixel."""
    return np.asarray(ndimage.median_filter(values, footprint=footprint), values.dtype)


def grey_opening(values: NDArray[Number], footprint: Mask) -> NDArray[Number]:
    """Return the greatest values below these that a footprint can be moved along."""
    return np.asarray(ndimage.grey_opening(values, footprint=footprint), values.dtype)


def laplace(values: NDArray[Number]) -> NDArray[Number]:
    """Return the sum of the second differences along each axis."""
    return np.asarray(ndimage.laplace(values), values.dtype)


def correlate1d(
    values: NDArray[Number], weights: NDArray[np.float64], axis: int
) -> NDArray[Number]:
    """Return the weighted sums along an axis of values that are mirrored at their sides."""
    return np.asarray(ndimage.correlate1d(values, weights, axis, mode="mirror"), values.dtype)


def zoom(values: NDArray[Number], factor: int) -> NDArray[Number]:
    """Return values in so many times as many cells along each axis, linear between them."""
    return np.asarray(
        ndimage.zoom(values, factor, order=1, grid_mode=True, mode="nearest"), values.dtype
    )


def maximum_filter(values: NDArray[Value], size: int) -> NDArray[Value]:
    """Return the largest of each window of so many cells along each axis."""
    return np.asarray(ndimage.maximum_filter(values, size), values.dtype)


def binary_dilation(
    mask: Mask, *, structure: Mask | None = None, iterations: int = 1, within: Mask | None = None
) -> Mask:
    """Return a mask that is so many pixels wider, within another alone where one is given."""
    return np.asarray(ndimage.binary_dilation(mask, structure, iterations, within), bool)


def binary_opening(mask: Mask, *, structure: Mask | None = None, iterations: int = 1) -> Mask:
    """Return a mask without what is narrower than so many erosions leave."""
    return np.asarray(ndimage.binary_opening(mask, structure, iterations), bool)


def binary_fill_holes(mask: Mask) -> Mask:
    """Return a mask with its holes filled."""
    return np.asarray(ndimage.binary_fill_holes(mask), bool)


def distance_transform_edt(mask: Mask) -> NDArray[np.float64]:
    """Return how far each pixel of a mask lies from what is not in it."""
    return np.asarray(ndimage.distance_transform_edt(mask))


def distance_transform_cdt(mask: Mask, metric: Literal["chessboard", "taxicab"]) -> Labels:
    """Return how many steps each pixel of a mask lies from what is not in it."""
    return np.asarray(ndimage.distance_transform_cdt(mask, metric), np.int32)


def means_of(
    values: NDArray[np.floating], labels: Labels, numbers: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return (n,) the mean of the values at each of n numbers of a picture of labels."""
    return np.asarray(ndimage.mean(values, labels, numbers), np.float64)


def label(mask: Mask) -> tuple[Labels, int]:
    """Return the pieces of a mask, numbered from 1, and how many there are."""
    labels = np.zeros(mask.shape, np.int32)
    count = ndimage.label(mask, output=labels)
    assert isinstance(count, int)  # alone where it is told where the pieces go
    return labels, count


def find_objects(labels: Labels) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield each number of a picture of labels that occurs, and its bounding box."""
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is not None:
            yield number, place


def transform(
    values: NDArray[Number], shape: Sequence[int] | None = None
) -> NDArray[np.complexfloating]:
    """Return the Fourier transform of real values over their last two axes, padded to `shape`.

    For 512 x 512 values it takes a quarter of the time of numpy's.
    """
    return np.asarray(fft.rfft2(values, shape))


def inverse_transform(
    spectrum: NDArray[np.complexfloating], shape: Sequence[int]
) -> NDArray[np.floating]:
    """Return the real values (..., *shape) whose `transform` this is."""
    return np.asarray(fft.irfft2(spectrum, shape))


def convolved(plane: NDArray[Number], kernel: NDArray[Number]) -> NDArray[Number]:
    """Return the sums of a plane under a kernel that is odd in both directions."""
    full = [a + b - 1 for a, b in zip(plane.shape, kernel.shape, strict=True)]
    shape = [fft.next_fast_len(each, real=True) for each in full]
    product = transform(plane, shape) * transform(kernel, shape)
    whole = np.asarray(inverse_transform(product, shape), plane.dtype)
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


def lowest(
    function: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    begin: NDArray[np.float64],
    iterations: int,
    on_iteration: Callable[[], object],
) -> NDArray[np.float64]:
    """Return where a function, which gives its value and slopes, is lowest (L-BFGS-B)."""
    from scipy.optimize import minimize  # few need it

    return minimize(
        function, begin, jac=True, method="L-BFGS-B", options={"maxiter": iterations},
        callback=lambda _: on_iteration(),
    ).x  # fmt: skip
