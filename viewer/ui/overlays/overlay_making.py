"""Overlays of models and of files, made for the slide of a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QObject

    from viewer.inference.models.bundle import ModelBundle
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlay_source import OverlaySource
    from viewer.ui.overlays.pane_results import PaneResults
    from viewer.ui.services import SettingsHost
    from viewer.ui.slides.slide_pane import SlidePane

FOR_AN_OVERLAY = (
    "email.message",
    "importlib.metadata",
    "pygments.lexers",
    "viewer.inference.runs.engine",
    "viewer.inference.runs.results",
    "viewer.inference.runs.slide_inference",
)
QT_FOR_AN_OVERLAY = (
    "email.message",
    "importlib.metadata",
    "pygments.lexers",
    "viewer.canvas.hatched_layer",
    "viewer.canvas.objects_layer",
    "viewer.canvas.patch_layer",
    "viewer.ui.overlays.presenters.attention",
    "viewer.ui.overlays.presenters.expected",
    "viewer.ui.overlays.presenters.objects",
    "viewer.ui.overlays.overlay_run",
    "PySide6.QtCore.*",
    "PySide6.QtGui.*",
    "PySide6.QtOpenGL.*",
    "PySide6.QtWidgets.*",
    "qtpy.QtCore",
    "qtpy.QtGui",
    "qtpy.QtWidgets",
    "superqt",
)
"""What the first overlay needs; imported as it is turned on it held up the window for 0.2 s."""


class OverlayMaker:
    """Makes overlays, which live as long as `parent`.

    Parameters
    ----------
    results
        Where vectors are that slide models judge.
    models
        Gives the models at hand, encoders among them.
    tuned
        Gives a model as it is set for the slide of a pane.
    on_rested
        Called when a model has nothing left to compute.
    """

    def __init__(
        self,
        window: SettingsHost,
        results: PaneResults,
        models: Callable[[], list[ModelBundle]],
        tuned: Callable[[SlidePane, ModelBundle], ModelBundle],
        on_rested: Callable[[], object],
        parent: QObject,
    ) -> None:
        self._window = window
        self._results = results
        self._models = models
        self._tuned = tuned
        self._on_rested = on_rested
        self._parent = parent

    def made(self, pane: SlidePane, origin: OverlaySource) -> Overlay:
        """Return the overlay of a model or file over the slide of a pane.

        Raises
        ------
        BundleError
            The model is not for this slide, or its encoder is not at hand.
        """
        from viewer.inference.models.bundle import BundleError, ModelBundle, slide_refusal
        from viewer.inference.runs.slide_inference import engine_model
        from viewer.overlays.files.result_file import ResultFile
        from viewer.ui.overlays.overlay import FileOverlay, JudgedFile
        from viewer.ui.overlays.overlay_run import OverlayRun

        if isinstance(origin, ResultFile):
            return FileOverlay(pane, origin, self._parent)
        if not isinstance(origin, ModelBundle):
            raise TypeError(f"{origin} is neither a model nor a file")
        assert pane.source is not None
        assert pane.path is not None
        mpp_um = pane.canvas.optics.mean_mpp_um
        if sentence := slide_refusal(origin, pane.source.info, mpp_um):
            raise BundleError(sentence)
        if (file := self._results.vectors_for(origin, pane)) is not None:
            return JudgedFile(pane, origin, file, self._parent)
        tuned = self._tuned(pane, origin)
        fed, settings = engine_model(tuned, self._models()), self._window.settings
        run = OverlayRun(
            pane, pane.path, tuned, fed, settings.device, self._parent, settings.result_stores
        )
        run.listed_as = origin.key
        run.rested.connect(self._on_rested)
        return run
