"""Where slides hold tissue, found out in a thread when it is first needed."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.ui.background_runner import Urgency

if TYPE_CHECKING:
    from viewer.slides.tissue import TissueMask
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_MOST_MASKS = 32


class SlideTissues(QObject):
    """Keeps the masks of the slides that were needed last.

    Parameters
    ----------
    readers
        Finds out in its threads.
    """

    made = Signal()
    """The tissue of one more slide is known."""

    def __init__(self, readers: BackgroundRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._readers = readers
        self._masks: OrderedDict[str, TissueMask | None] = OrderedDict()

    def mask(self, identity: str) -> TissueMask | None:
        """Return the tissue of a slide, by any of its names; None while it is not known."""
        from viewer.slides.identity import same_slide

        found = (mask for known, mask in self._masks.items() if same_slide(known, identity))
        return next(found, None)

    def ensure(self, pane: SlidePane) -> None:
        """Find out about the slide of a pane, unless it is known."""
        from viewer.annotations.tissue_correction import corrected_tissue

        source = pane.source
        if source is None or source.info.identity in self._masks:
            return
        identity = source.info.identity
        self._masks[identity] = None
        while len(self._masks) > _MOST_MASKS:
            self._masks.popitem(last=False)

        def keep(mask: TissueMask) -> None:
            self._masks[identity] = mask
            self.made.emit()

        def failed(error: Exception) -> None:
            self._masks.pop(identity, None)
            _log.info("the tissue of a slide is not known (%s)", error)

        self._readers.run(lambda: corrected_tissue(source), keep, failed, urgency=Urgency.IN_SIGHT)
