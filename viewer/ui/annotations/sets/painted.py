"""Which sets are painted in which pane, and how: as menu, classes, layers and modes have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.ui.services import CommandHost, MessageHost, SettingsHost

if TYPE_CHECKING:
    from viewer.canvas.annotations_layer import AnnotationsLayer
    from viewer.ui.annotations.class_commands import ClassCommands
    from viewer.ui.annotations.services import KeptSets
    from viewer.ui.annotations.sets.layers import SetLayers, ShownStyle
    from viewer.ui.annotations.sets.slide_sets import SetEntry, SlideSets
    from viewer.ui.slides.slide_pane import SlidePane

_SHOWN = ("annotate.shown", "annotate.filled", "annotate.names")


class PaintedSetsHost(MessageHost, CommandHost, SettingsHost, Protocol):
    """What the painting of sets asks of the window."""


class PaintedSets:
    """Keeps the layers of each pane that has a slide with annotations."""

    def __init__(self, window: PaintedSetsHost, kept: KeptSets, classes: ClassCommands) -> None:
        self._window = window
        self._kept = kept
        self._classes = classes
        self._layers: dict[SlidePane, SetLayers] = {}
        window.commands["annotate.shown"].setChecked(True)
        for name in _SHOWN:
            window.commands.on(name, self.show_all)
        window.commands.on_toggle("annotate.names", self._say_if_nameless)
        classes.hidden_changed.connect(self.show_all)

    def begin(self, pane: SlidePane, sets: SlideSets) -> None:
        """Paint the sets of the slide that came to a pane; `follow` adds those that are open."""
        from viewer.ui.annotations.sets.layers import SetLayers

        layers = SetLayers(pane, sets, lambda: self._window.settings.record_names)
        self._layers[pane] = layers
        layers.show(**self._shown())

    def follow(self, pane: SlidePane) -> None:
        """Paint in a pane the sets that are to be shown beside the one that is drawn on."""
        self._layers[pane].follow()

    def end(self, pane: SlidePane) -> None:
        """Paint nothing in a pane any more, whose slide leaves."""
        layers = self._layers.pop(pane, None)
        if layers is not None:
            layers.close()

    def layer_of(self, pane: SlidePane, entry: SetEntry) -> AnnotationsLayer | None:
        """Return what paints a set in a pane; None while it is hidden."""
        here, layers, sets = self._kept.of(pane), self._layers.get(pane), self._kept.sets_of(pane)
        if sets is not None and entry is sets.current:
            return here.layer if here is not None else None
        return layers.layer_of(entry) if layers is not None else None

    def is_shown(self, entry: SetEntry) -> bool:
        """Return whether a set is shown, and annotations are at all."""
        return entry.is_shown and self._window.commands["annotate.shown"].isChecked()

    def show_set(self, pane: SlidePane, entry: SetEntry, shown: bool) -> None:
        """Show or hide a set as its check mark does; one that is shown is seen."""
        sets = self._kept.sets_of(pane)
        if sets is None:
            return
        sets.set_shown(entry, shown)
        if shown and not self._window.commands["annotate.shown"].isChecked():
            self._window.commands["annotate.shown"].trigger()

    def fade_set(self, pane: SlidePane, entry: SetEntry, opacity: float) -> None:
        """Paint a set with an opacity (0 to 1) in all panes of its slide."""
        entry.opacity = opacity
        sets = self._kept.sets_of(pane)
        for each in self._layers:
            layer = self.layer_of(each, entry) if self._kept.sets_of(each) is sets else None
            if layer is not None:
                layer.opacity = opacity
                each.canvas.update()

    def show_all(self) -> None:
        """Paint all panes as it is asked for now."""
        for pane, layers in self._layers.items():
            layers.show(**self._shown())
            self.show_current(pane)

    def show_again(self, pane: SlidePane, classes: frozenset[str]) -> None:
        """Show hidden annotations to which something new came: it is not to vanish at once."""
        pane.modes.show_others()
        self._classes.show_again(classes)
        sets, shown = self._kept.sets_of(pane), self._window.commands["annotate.shown"]
        if shown.isChecked() and (sets is None or sets.current.is_shown):
            return
        shown.setChecked(True)
        if sets is not None:
            sets.set_shown(sets.current, True)
        self.show_all()
        self._window.say("Annotations are shown again.")

    def show_current(self, pane: SlidePane) -> None:
        """Paint the set that is drawn on, which can be hidden by itself or by a mode."""
        sets, here = self._kept.sets_of(pane), self._kept.of(pane)
        if sets is not None and here is not None:
            shown = self._shown()
            is_hidden = pane.modes.hides_others or not sets.current.is_shown
            shown["is_shown"] = shown["is_shown"] and not is_hidden
            here.show(**shown)

    def _shown(self) -> ShownStyle:
        """Return what the check marks of the menu and the list of classes say is painted."""
        shown, filled, names = (self._window.commands[name].isChecked() for name in _SHOWN)
        return {
            "is_shown": shown,
            "is_filled": filled,
            "has_names": names,
            "hidden_classes": self._classes.hidden,
        }

    def _say_if_nameless(self, names_shown: bool) -> None:
        sets, here = self._kept.active_sets, self._kept.active
        if not names_shown or sets is None or here is None:
            return
        states = sets.states_in_sight

        def say(has_name: bool) -> None:
            if not has_name:
                self._window.say("No annotation in view has a name: F2 names the selected one.")

        here.look(lambda: any(each.name for _, state in states for each in state), say)
