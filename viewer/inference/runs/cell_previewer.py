"""Has the cells of a field found in a process of its own, which stays while settings change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from viewer.errors import CoverslipError
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.messages import FindCells, FoundCells, Refused
from viewer.inference.process.model_process import ModelProcess
from viewer.overlays.objects import Objects, ObjectsError
from viewer.processes.shared_pixels import hand_over

if TYPE_CHECKING:
    from viewer.geometry import Box
    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.models.bundle import ModelBundle
    from viewer.slides.source import RgbImage

_ENDED = "The process that previews cells ended: change a setting to start it again."


class PreviewError(CoverslipError):
    """Nothing can be previewed; `str()` is one sentence."""


class CellPreviewer:
    """Used by one thread at a time; `close` may be called from any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: ModelProcess | None = None
        self._field: tuple[Box, float] | None = None
        self._network: ModelBundle | None = None
        self._is_closed = False

    def use(self, network: ModelBundle | None) -> None:
        """Preview the maps of a network from now on; None previews what the pixels show."""
        before, self._network = self._network, network
        if (before.key if before else "") != (network.key if network else ""):
            self._end()

    def knows(self, field: Box, settings: CellSettings) -> bool:
        """Return whether the process has the pixels of a field already."""
        return self._field == (field, settings.requested_pixel_size_um)

    def cells(self, rgb: RgbImage | None, field: Box, settings: CellSettings) -> Objects:
        """Return the cells of a field at the requested pixel size.

        Parameters
        ----------
        rgb, field
            uint8 (height, width, 3), None where `knows`, and the level-0 box that it shows.

        Raises
        ------
        PreviewError
            One sentence says why there are none.
        """
        try:
            process = self._running()
            tile = None
            if rgb is not None:
                shared = process.shared_slots(rgb.nbytes, 1)
                try:
                    tile = hand_over(rgb, shared)
                finally:
                    if shared is not None:
                        shared.close()
                self._field = field, settings.requested_pixel_size_um
            box = (field.x0, field.y0, field.x1, field.y1)
            answer = process.ask(FindCells(tile, settings, box))
        except ModelProcessError as error:
            stopped = self._process.stopped if self._process is not None else str(error)
            self._end()
            raise PreviewError(stopped or _ENDED) from error
        match answer:
            case FoundCells(data):
                try:
                    return Objects.from_bytes(data)
                except ObjectsError as error:
                    self._end()
                    raise PreviewError(_ENDED) from error
            case Refused(sentence):
                raise PreviewError(sentence)
            case _:
                self._end()
                raise PreviewError(_ENDED)

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._is_closed = True
        self._end()

    def _running(self) -> ModelProcess:
        with self._lock:
            if self._is_closed:
                raise PreviewError("The window is closing.")
            if self._process is None:
                network = self._network
                process = ModelProcess(with_torch=network is not None, uses_cuda=False)
                self._process = process
                if network is not None:
                    try:
                        process.load(network, "cpu", 1)
                    except (BundleError, ModelFailedError) as error:
                        raise PreviewError(str(error)) from error
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            self._field = None
        if process is not None:
            process.close()
