"""As many pictures at a time as the device has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.errors import DeviceFullError, ModelFailedError
from viewer.inference.process.network import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.inference.process.network import Network
    from viewer.slides.source import RgbImage


_MOST_ON_CPU = 64
"""Images at a time: more are no faster there, and each batch tells that the model is at work."""


class Batches:
    """Feeds a network all at once, and by halves once that was too much.

    Attributes
    ----------
    most
        Images at a time; None until the device was ever full.
    """

    def __init__(self, network: Network, on_batch: Callable[[], None] = lambda: None) -> None:
        self.most: int | None = None
        self._network = network
        self._on_batch = on_batch
        self._most_at_first = _MOST_ON_CPU if network.device.type == "cpu" else 1 << 20

    def answers(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Do as `Network.answers`.

        Raises
        ------
        ModelFailedError
            The model failed, or the device has no room for a single picture.
        """
        parts: list[NDArray[np.float32]] = []
        at = 0
        while at < len(pictures):
            part = pictures[at : at + (self.most or self._most_at_first)]
            try:
                parts.append(self._network.answers(part))
            except DeviceFullError:
                if len(part) == 1:
                    raise ModelFailedError(NO_ROOM) from None
                self._network.free_memory()
                self.most = len(part) // 2
            else:
                at += len(part)
                self._on_batch()
        return np.concatenate(parts)
