"""As many pictures at a time as the device has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.network import NO_ROOM, DeviceFullError, ModelFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.network import Network
    from viewer.slides.source import RgbImage


class Batches:
    """Feeds a network all at once, and by halves once that was too much.

    Attributes
    ----------
    most
        Pictures at a time; None until the device was ever full.
    """

    def __init__(self, network: Network) -> None:
        self.most: int | None = None
        self._network = network

    def answers(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """As `Network.answers`.

        Raises
        ------
        ModelFailedError
            The model failed, or the device has no room for a single picture.
        """
        parts: list[NDArray[np.float32]] = []
        at = 0
        while at < len(pictures):
            part = pictures[at : at + (self.most or len(pictures))]
            try:
                parts.append(self._network.answers(part))
            except DeviceFullError:
                if len(part) == 1:
                    raise ModelFailedError(NO_ROOM) from None
                self._network.free_memory()
                self.most = len(part) // 2
            else:
                at += len(part)
        return np.concatenate(parts)
