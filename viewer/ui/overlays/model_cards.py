"""The cards of the AI page: models and files of results, the first painted on top."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from viewer.ui.overlays.model_card import ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from viewer.ui.overlays.overlay_source import OverlaySource


class ModelCards(QWidget):
    """Keeps one card chosen: commands of the menu and keys are for its model.

    The cards are made by `make`, before they are first seen, or when one is first asked for.
    """

    switched = Signal(object, bool)
    """An OverlaySource was turned on or off."""
    unfolded = Signal(object)
    """The user turned an overlay on, or unfolded its card: the OverlaySource."""
    chosen_changed = Signal()
    order_changed = Signal()
    body_made = Signal(object)
    """The ModelCard whose lower part was made."""
    menu_asked = Signal(object, object)
    """A ModelCard, and the QMenu that is to be filled for it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Models")
        self._models: list[OverlaySource] = []
        self._is_made = False
        self._cards: list[ModelCard] = []
        self._by_key: dict[str, ModelCard] = {}
        self._on: set[str] = set()
        """The keys of the models that are shown as on."""
        self._pressed: set[str] = set()
        """Of those whose switch was pressed since: it shows what was asked for, not what is."""
        self._chosen = ""
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)

    def show_models(self, models: Sequence[OverlaySource], chosen: str = "") -> None:
        """List models; `chosen` is the key of the one to choose, by default as it was."""
        self._models = list(models)
        if self._is_made:
            self._make_cards()
        keys = [source.key for source in models]
        before = self._chosen
        if chosen:
            self._chosen = chosen
        if self._chosen not in keys:
            self._chosen = keys[0] if keys else ""
        if self._chosen != before:
            self.chosen_changed.emit()

    def make(self) -> None:
        """Make the cards, where they are not there yet."""
        if not self._is_made:
            self._is_made = True
            self._make_cards()

    def models(self) -> list[OverlaySource]:
        """Return what the cards are of, in their order."""
        return list(self._models)

    def count(self) -> int:
        """Return how many cards there are."""
        return len(self._models)

    @property
    def cards(self) -> Sequence[ModelCard]:
        """Return the cards in their order."""
        self.make()
        return tuple(self._cards)

    def card(self, key: str) -> ModelCard | None:
        """Return the card of a model or file by its key."""
        self.make()
        return self._by_key.get(key)

    def named(self, name: str) -> ModelCard:
        """Return the first card of a name. Raises LookupError."""
        for card in self.cards:
            if card.source.name == name:
                return card
        raise LookupError(name)

    def chosen(self) -> OverlaySource | None:
        """Return what the chosen card is of."""
        return next((each for each in self._models if each.key == self._chosen), None)

    @property
    def chosen_card(self) -> ModelCard | None:
        """Return the card that commands are for."""
        return self.card(self._chosen)

    def choose(self, key: str) -> None:
        """Choose the card of a model or file."""
        if key != self._chosen and any(each.key == key for each in self._models):
            self._chosen = key
            self.chosen_changed.emit()

    def show_on(self, keys: Iterable[str]) -> None:
        """Show which models are on; one has the page's accent."""
        on = set(keys)
        for key in (on ^ self._on) | self._pressed:
            card = self.card(key)
            if card is not None:
                card.show_on(is_on=key in on)
        self._on, self._pressed = on, set()
        self._show_primary()

    def move_card(self, card: ModelCard, step: int) -> None:
        """Paint a model above or below its neighbor."""
        index = self._cards.index(card)
        other = min(max(index + step, 0), len(self._cards) - 1)
        if other != index:
            self._cards.insert(other, self._cards.pop(index))
            self._models = [each.source for each in self._cards]
            self._lay_out()
            self.order_changed.emit()

    def _show_primary(self) -> None:
        found = map(self.card, self._on | self._pressed)
        on = [card for card in found if card is not None and card.is_on]
        if not on:
            return
        first = self.chosen_card if self.chosen_card in on else None
        first = first or min(on, key=self._cards.index, default=None)
        for card in on:
            card.body.show_primary(is_primary=card is first)

    def _make_cards(self) -> None:
        """Make a card of each model that has none, and let those go that are of none."""
        kept = {card.source.key: card for card in self._cards}
        counts = Counter(source.name for source in self._models)
        cards: list[ModelCard] = []
        for source in self._models:
            name = _shown_name(source, is_alone=counts[source.name] == 1)
            card = kept.get(source.key)
            if card is not None and (card.source, card.accessibleName()) == (source, name):
                del kept[source.key]
            else:
                card = self._made(source, name)
            cards.append(card)
        for card in kept.values():
            self._column.removeWidget(card)
            if card.has_body:
                card.body.close_reading()
            card.hide()
            card.deleteLater()
        self._cards = cards
        self._by_key = {card.source.key: card for card in reversed(cards)}
        self._lay_out()

    def _made(self, source: OverlaySource, name: str) -> ModelCard:
        self._on.discard(source.key)
        card = ModelCard(source, name, self)
        card.switched.connect(lambda is_on: self._on_switched(card, is_on=is_on))
        card.unfolded.connect(lambda: self.unfolded.emit(card.source))
        card.chosen.connect(lambda: self.choose(card.source.key))
        card.dragged.connect(lambda y: self._on_dragged(card, y))
        card.body_made.connect(lambda: self._on_body(card))
        card.menu_asked.connect(lambda menu: self.menu_asked.emit(card, menu))
        return card

    def _on_dragged(self, card: ModelCard, global_y: int) -> None:
        """Put a card before the first whose middle the mouse is above; it follows the mouse."""
        index = self._cards.index(card)
        y = self.mapFromGlobal(QPoint(0, global_y)).y()
        above = self._cards[index - 1] if index else None
        below = self._cards[index + 1] if index + 1 < len(self._cards) else None
        if above is not None and y < above.geometry().center().y():
            self.move_card(card, -1)
        elif below is not None and y > below.geometry().center().y():
            self.move_card(card, 1)

    def _on_switched(self, card: ModelCard, *, is_on: bool) -> None:
        self.choose(card.source.key)
        self._pressed.add(card.source.key)
        self.switched.emit(card.source, is_on)
        if is_on:
            self.unfolded.emit(card.source)
        self._show_primary()

    def _on_body(self, card: ModelCard) -> None:
        body = card.body
        for signal in (body.run_requested, body.pause_requested, body.stop_requested):
            signal.connect(card.chosen)
        body.uncover_requested.connect(card.chosen)
        body.opacity_changed.connect(lambda _: card.chosen.emit())
        self.body_made.emit(card)

    def _lay_out(self) -> None:
        for index, card in enumerate(self._cards):
            self._column.removeWidget(card)
            self._column.insertWidget(index, card)
            card.show()


def _shown_name(source: OverlaySource, *, is_alone: bool) -> str:
    """Return the name of a model, with its version where several have the name."""
    from viewer.inference.models.bundle import ModelBundle

    version = source.version if isinstance(source, ModelBundle) else ""
    return source.name if is_alone or not version else f"{source.name} {version}"
