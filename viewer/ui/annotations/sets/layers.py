"""The sets that lie over the slide of one pane beside the one that is drawn on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict, Unpack

from viewer.annotations.selection import Selection
from viewer.annotations.sets.annotation_set import AGENT_SET, MY_ANNOTATIONS
from viewer.canvas.annotations_layer import AnnotationsLayer
from viewer.canvas.layer import LayerOrder

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.ui.annotations.sets.slide_sets import SetEntry, SlideSets
    from viewer.ui.slides.slide_pane import SlidePane


class ShownStyle(TypedDict):
    """How annotations are painted, as `AnnotationsLayer.show` takes it."""

    is_shown: bool
    is_filled: bool
    has_names: bool
    hidden_classes: NotRequired[frozenset[str]]


class SetLayers:
    """Keeps a layer for each shown set of a slide but the current one; `close` takes them off.

    Parameters
    ----------
    records_names
        Whether the reader allowed names to be recorded: a set may be called like a file.
    """

    def __init__(self, pane: SlidePane, sets: SlideSets, records_names: Callable[[], bool]) -> None:
        self._pane = pane
        self._records_names = records_names
        self._sets = sets
        self._layers: dict[SetEntry, tuple[AnnotationsLayer, Selection]] = {}
        self._style: ShownStyle = {"is_shown": True, "is_filled": False, "has_names": False}

    @property
    def entries(self) -> list[SetEntry]:
        """Return the sets that have a layer."""
        return list(self._layers)

    def layer_of(self, entry: SetEntry) -> AnnotationsLayer | None:
        """Return the layer of a set; None where it has none here."""
        return self._layers[entry][0] if entry in self._layers else None

    def follow(self) -> None:
        """Show what is to be shown now."""
        wanted = [
            each
            for each in self._sets.entries
            if each.is_shown and each.is_open and each is not self._sets.current
        ]
        for entry in [each for each in self._layers if each not in wanted]:
            self._remove(entry)
        for entry in wanted:
            if entry not in self._layers:
                self._add(entry)

    def show(self, **style: Unpack[ShownStyle]) -> None:
        """Paint all sets so."""
        self._style = style
        for layer, _ in self._layers.values():
            layer.show(**self._style)

    def close(self) -> None:
        """Take all layers off the canvas."""
        for entry in list(self._layers):
            self._remove(entry)

    def _add(self, entry: SetEntry) -> None:
        assert entry.annotations is not None
        document, canvas = entry.annotations.document, self._pane.canvas
        selection = Selection(document)
        reader, which = self._sets.slide.reader, entry.listed.which
        layer = AnnotationsLayer(
            document,
            selection,
            canvas.update,
            reader,
            lambda: recorded_name(which, names=self._records_names()),
            which.key.reader,
        )
        layer.show(**self._style)
        layer.opacity = entry.opacity
        canvas.add_layer(layer, LayerOrder.SETS)
        self._layers[entry] = (layer, selection)

    def _remove(self, entry: SetEntry) -> None:
        layer, selection = self._layers.pop(entry)
        self._pane.canvas.remove_layer(layer)
        layer.close()
        selection.close()


def recorded_name(which: AnnotationSet, *, names: bool) -> str:
    """Return what a recording calls a set; where names are not allowed, its kind and a number."""
    key = which.key
    is_ours = key.name in (MY_ANNOTATIONS, AGENT_SET)
    name = key.name if names or is_ours else f"{which.kind} {key.file_name[-5:-1]}"
    return f"{name}, {key.stage}" if key.stage else name
