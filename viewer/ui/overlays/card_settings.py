"""The settings of the cards in the list of models, in step with the overlays of the active pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from viewer.ui.overlays.card_state import state_of
from viewer.ui.overlays.overlay_settings import OverlaySettings

if TYPE_CHECKING:
    from viewer.ui.overlays.card_state import CardState
    from viewer.ui.overlays.model_card import ModelCard
    from viewer.ui.overlays.model_cards import ModelCards
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlay_commands import OverlayCommands
    from viewer.ui.overlays.overlay_settings import OverlaySettingsHost
    from viewer.ui.overlays.overlay_stacks import OverlayStacks


class CardSettings(QObject):
    """Makes the settings of a card with its body, and shows in them how its overlay is now."""

    def __init__(
        self,
        window: OverlaySettingsHost,
        cards: ModelCards,
        stacks: OverlayStacks,
        commands: OverlayCommands,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._cards = cards
        self._stacks = stacks
        self._commands = commands
        self._settings: dict[ModelCard, OverlaySettings] = {}
        cards.body_made.connect(self._on_body)

    def shut_down(self) -> None:
        """End what the settings look for."""
        for settings in self._settings.values():
            settings.shut_down()

    def of(self, card: ModelCard) -> OverlaySettings:
        """Return what keeps the body of a card in step with its overlay."""
        card.body  # noqa: B018 - makes the body, and with it the settings
        return self._settings[card]

    def show_names(self) -> None:
        """Name other slides as a study lets them be named now."""
        for settings in self._settings.values():
            settings.show_names()

    def show(self) -> None:
        """Show how the overlays of the active pane are set."""
        for run, card in self._cards_on():
            self.of(card).show(run, self._state_of(run))

    def show_figures(self) -> None:
        """Show what the overlays of the active pane found, and how far they are."""
        for run, card in self._cards_on():
            self.of(card).show_figures(run, self._state_of(run))

    def _cards_on(self) -> list[tuple[Overlay, ModelCard]]:
        """Return the overlays that are on in the active pane with their cards."""
        on = self._stacks.all_of(self._window.panes.active)
        cards = [(run, self._cards.card(run.listed_as)) for run in on]
        return [(run, card) for run, card in cards if card is not None]

    def _state_of(self, run: Overlay) -> CardState:
        is_covered = self._stacks.is_covered(run)
        return state_of(run, is_paused=self._commands.is_paused, is_covered=is_covered)

    def _on_body(self, card: ModelCard) -> None:
        key = card.source.key

        def active() -> Overlay | None:
            return self._stacks.find(self._window.panes.active, key)

        settings = self._settings[card] = OverlaySettings(self._window, card.body, active, self)
        card.destroyed.connect(lambda: self._forget(card, settings))
        self._commands.connect_body(card.body)

    def _forget(self, card: ModelCard, settings: OverlaySettings) -> None:
        self._settings.pop(card, None)
        settings.deleteLater()
