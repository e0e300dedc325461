"""What tools are called with: checked as models give it, and described to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from viewer.agents.chat.json_in_text import as_object
from viewer.agents.errors import ToolError
from viewer.geometry import Box
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Mapping


_MOST_SIMILAR = 12

Level0 = Annotated[float, Meta(ge=-1e7, le=1e7, description="level-0 pixels of the slide")]


class BoxArguments(msgspec.Struct, forbid_unknown_fields=True):
    """A box of the slide: left, top, right, bottom."""

    x0: Level0
    y0: Level0
    x1: Level0
    y1: Level0

    @property
    def box(self) -> Box:
        return Box(self.x0, self.y0, self.x1, self.y1)


class SimilarArguments(BoxArguments, forbid_unknown_fields=True):
    """A box, and how many others like it are wanted."""

    count: Annotated[int, Meta(ge=1, le=_MOST_SIMILAR)] = 5


class NoArguments(msgspec.Struct, forbid_unknown_fields=True):
    """None."""


Arguments = TypeVar("Arguments", bound=msgspec.Struct)


def checked_arguments(
    tool: str, arguments: str | Mapping[str, object], kind: type[Arguments]
) -> Arguments:
    """Return the arguments of a call as `kind`. Raises ToolError with a complaint for the model."""
    try:
        if isinstance(arguments, str):
            known = as_object(arguments)  # some models write JSON in a JSON text
            if known is None:
                return msgspec.json.decode(arguments.encode(), type=prepared(kind), strict=False)
            return msgspec.convert(known, prepared(kind), strict=False)
        return msgspec.convert(dict(arguments), prepared(kind), strict=False)
    except DECODE_ERRORS as error:
        raise ToolError(f"The arguments of {tool} are wrong: {error}.") from error


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments, all parts in place instead of references."""
    _, components = msgspec.json.schema_components([kind], ref_template="{name}")
    return _inlined(components[kind.__name__], components)


def _inlined(part: Any, components: Mapping[str, Any]) -> Any:
    if is_sequence(part):
        return [_inlined(each, components) for each in part]
    if not is_mapping(part):
        return part
    if "$ref" in part:
        return _inlined(components[str(part["$ref"])], components)
    schema = {name: _inlined(value, components) for name, value in part.items() if name != "title"}
    return schema | {"additionalProperties": False} if schema.get("type") == "object" else schema
