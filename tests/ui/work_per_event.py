"""How much the window's thread does at an event: the same for n and for 10 n of a thing.

What is counted is work, not time: lines of Python that the thread runs meanwhile, so that a loop
over all there is shows whatever else the machine does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from PySide6.QtWidgets import QApplication, QMainWindow

from viewer.ui.item_views import KeyedList
from viewer.ui.slides.slide_list import SlideList, SlideListModel
from viewer.ui.slides.slide_row import PICTURE_SIZE

FEW, MANY = 200, 2000
MOST_RATIO = 1.5
_TRIES = 3


def work_of(event: Callable[[], object]) -> int:
    """Return how many lines of Python an event and what it sets off take on this thread."""
    lines = 0

    def count(frame: FrameType, what: str, _argument: Any) -> Any:
        nonlocal lines
        lines += what in ("line", "call")  # a generator is called for each thing
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        event()
        QApplication.processEvents()
    finally:
        sys.settrace(before)
    return lines


def assert_flat(make: Callable[[int], Callable[[], object]]) -> None:
    """Each size is made anew; what is done once, such as a font that is loaded, is done before."""
    make(FEW)()
    few, many = (work_of(make(count)) for count in (FEW, MANY))
    for _ in range(_TRIES):
        if many <= MOST_RATIO * few:
            break
        # What else the thread had to do, for windows of earlier tests too, is only added to both.
        few, many = min(few, work_of(make(FEW))), min(many, work_of(make(MANY)))
    assert few > 0
    assert many <= MOST_RATIO * few, f"{few} lines with {FEW:,}, {many} with {MANY:,}"


def slide_list(window: QMainWindow, slides: SlideList) -> tuple[KeyedList, SlideListModel]:
    """Show a list of slides in a window, as the drawer does."""
    view = KeyedList(window)
    model = SlideListModel(PICTURE_SIZE, view)
    view.setUniformItemSizes(True)
    view.setModel(model)
    window.setCentralWidget(view)
    model.show_list(slides)
    QApplication.processEvents()
    return view, model
