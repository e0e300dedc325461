"""The menu of a card: what is asked of its model, and of the model's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.ui.overlays.model_card import add_action
from viewer.ui.overlays.model_details import ModelDetailsDialog
from viewer.ui.services import CommandHost, DialogHost

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu

    from viewer.inference.models.bundle import ModelBundle
    from viewer.ui.overlays.model_card import ModelCard
    from viewer.ui.overlays.model_cards import ModelCards
    from viewer.ui.overlays.model_files import ModelFiles
    from viewer.ui.overlays.services import OverlaysOn


class CardMenuHost(DialogHost, CommandHost, Protocol):
    """What the menu of a card asks of the window."""


class CardMenu(QObject):
    """Owned by the part; fills the menu of a card whenever it opens."""

    def __init__(
        self,
        window: CardMenuHost,
        overlays: OverlaysOn,
        cards: ModelCards,
        files: ModelFiles,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._overlays = overlays
        self._cards = cards
        self._files = files
        cards.menu_asked.connect(self._fill)

    def _fill(self, card: ModelCard, menu: QMenu) -> None:
        from viewer.inference.models.bundle import ModelBundle

        run, commands = self._overlays.active if card.is_on else None, self._window.commands
        cards = self._cards
        can_run = run is not None and run.can_run
        for name in ("overlays.run_slide", "overlays.run_field"):
            add_action(menu, commands[name].text(), commands[name].trigger, is_enabled=can_run)
        pause = "Resume models" if commands["overlays.pause"].isChecked() else "&Pause models"
        add_action(menu, pause, commands["overlays.pause"].trigger, is_enabled=can_run)
        add_action(menu, "&Stop", commands["overlays.stop"].trigger, is_enabled=can_run)
        menu.addSeparator()
        has_objects = run is not None and run.found.as_objects is not None
        table = commands["overlays.table"]
        add_action(menu, "Object &table...", table.trigger, is_enabled=has_objects)
        density = commands["overlays.density"]
        add_action(menu, "&Density map...", density.trigger, is_enabled=has_objects)
        export = commands["overlays.export"]
        add_action(menu, "&Export results...", export.trigger, is_enabled=run is not None)
        menu.addSeparator()
        place = cards.cards.index(card)
        above, below = place > 0, place < cards.count() - 1
        add_action(menu, "Paint &above others", lambda: cards.move_card(card, -1), is_enabled=above)
        add_action(menu, "Paint &below others", lambda: cards.move_card(card, 1), is_enabled=below)
        source = card.source
        if not isinstance(source, ModelBundle):
            return
        menu.addSeparator()
        add_action(menu, "&Details...", lambda: self._show_details(source))
        is_added, models = _is_added(source), self._files
        why = "" if is_added else "It came with Coverslip"
        add_action(
            menu, "&Update...", lambda: models.ask_update(source), is_enabled=is_added, tip=why
        )
        add_action(
            menu, "&Remove...", lambda: models.ask_removal(source), is_enabled=is_added, tip=why
        )

    def _show_details(self, model: ModelBundle) -> None:
        ModelDetailsDialog(model, self._window.window()).show()


def _is_added(model: ModelBundle) -> bool:
    """Return whether the user added a model, so that it can be removed."""
    from viewer.inference.models.model_library import BUNDLED

    return model.folder.parent != BUNDLED
