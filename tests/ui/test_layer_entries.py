"""The list of layers as data: its order, and how one is moved."""

from __future__ import annotations

from viewer.canvas.layer import LayerOrder
from viewer.canvas.layer_stack import LayerStack
from viewer.canvas.outline_layer import OutlineLayer
from viewer.ui.view.layer_entries import LayerEntry, from_top, moved


def _entry(key: str, order: float, *, moves: bool = True) -> LayerEntry:
    layers = (OutlineLayer("#000000", name=key),) if moves else ()
    return LayerEntry(key, key, is_shown=True, show=lambda _: None, layers=layers, order=order)


def _keys(entries: list[LayerEntry]) -> list[str]:
    return [entry.key for entry in entries]


def test_one_is_moved_by_one_and_what_cannot_move_stays() -> None:
    slide = _entry("slide", 0, moves=False)
    entries = [*from_top([_entry("low", 1), _entry("high", 3), _entry("middle", 2)]), slide]
    assert _keys(entries) == ["high", "middle", "low", "slide"]
    assert _keys(moved(entries, "middle", -1)) == ["middle", "high", "low", "slide"]
    assert _keys(moved(entries, "low", 1)) == ["high", "middle", "low", "slide"]
    assert _keys(moved(entries, "slide", -1)) == ["high", "middle", "low", "slide"]
    assert _keys(moved(entries, "gone", -1)) == ["high", "middle", "low", "slide"]


def test_a_stack_keeps_the_order_that_the_user_gave_when_a_layer_comes_back() -> None:
    stack = LayerStack()
    heat, shapes = OutlineLayer("#000000", name="heat"), OutlineLayer("#ffffff", name="shapes")
    stack.add(heat, LayerOrder.HEATMAPS)
    stack.add(shapes, LayerOrder.ANNOTATIONS)
    assert [layer for _, layer in stack] == [heat, shapes]
    stack.set_order([(shapes,), (heat,)])
    assert [layer for _, layer in stack] == [shapes, heat]
    stack.remove(heat)
    stack.add(heat, LayerOrder.HEATMAPS)
    assert [layer for _, layer in stack] == [shapes, heat]


def test_a_mode_leaves_its_own_layers_the_slide_and_the_tool() -> None:
    stack = LayerStack()
    slide, heat, own, tool = (OutlineLayer("#000000") for _ in range(4))
    for layer, stratum in (
        (slide, LayerOrder.TILES), (heat, LayerOrder.HEATMAPS),
        (own, LayerOrder.TOOLS), (tool, LayerOrder.TOOLS),
    ):  # fmt: skip
        stack.add(layer, stratum)
    stack.in_hand = tool
    stack.paint_only([own])
    assert [layer for _, layer in stack] == [slide, own, tool]
    stack.paint_only(None)
    assert [layer for _, layer in stack] == [slide, heat, own, tool]
    stack.set_masked(heat, masked=True)
    assert not stack.paints(heat)
    stack.remove(heat)
    stack.add(heat, LayerOrder.HEATMAPS)
    assert stack.paints(heat)
