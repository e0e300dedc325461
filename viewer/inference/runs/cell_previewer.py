"""Has the cells of a field found in a process of its own, which stays while settings change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.errors import CoverslipError
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.held_process import HeldProcess
from viewer.inference.process.messages import FindCells, FoundCells, Refused
from viewer.inference.process.model_process import ModelProcess
from viewer.overlays.objects import Objects, ObjectsError

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
        self._held = HeldProcess()
        self._field: tuple[Box, float] | None = None
        self._network: ModelBundle | None = None

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
                tile = process.put(rgb)
                self._field = field, settings.requested_pixel_size_um
            answer = process.ask(FindCells(tile, settings, field.bounds))
        except ModelProcessError as error:
            raise PreviewError(self._end() or _ENDED) from error
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
        self._held.close()

    def _running(self) -> ModelProcess:
        network = self._network
        try:
            process, is_new = self._held.take(
                lambda: ModelProcess(with_torch=network is not None, uses_cuda=False)
            )
        except ModelProcessError as error:
            raise PreviewError(str(error)) from error
        if is_new:
            self._field = None
            if network is not None:
                try:
                    process.load(network, "cpu", 1)
                except (BundleError, ModelFailedError) as error:
                    self._end()
                    raise PreviewError(str(error)) from error
        return process

    def _end(self) -> str:
        """End the process; return why it was stopped from outside, "" where it was not."""
        self._field = None
        return self._held.end()
