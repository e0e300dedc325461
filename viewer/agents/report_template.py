"""What a structured report asks for: a JSON template of fields, and the values that fit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from viewer.agents.errors import AgentError, BadAnswerError
from viewer.errors import reason_of
from viewer.limits import JSON_BYTES, read_regular
from viewer.measurement_names import with_signs
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FieldId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Label = Annotated[str, Meta(min_length=1, max_length=120)]
Value = str | float | None


class ChoiceField(msgspec.Struct, frozen=True, kw_only=True, tag="choice", tag_field="kind"):
    """One of some options."""

    id: FieldId
    label: Label
    options: Annotated[tuple[str, ...], Meta(min_length=2, max_length=50)]


class NumberField(msgspec.Struct, frozen=True, kw_only=True, tag="number", tag_field="kind"):
    """A number in a unit.

    Attributes
    ----------
    figure
        Name of a figure of findings; its largest value fills the field where no model does.
    """

    id: FieldId
    label: Label
    unit: str = ""
    low: float | None = None
    high: float | None = None
    figure: str = ""


class TextField(msgspec.Struct, frozen=True, kw_only=True, tag="text", tag_field="kind"):
    """Some sentences; `from_answer` takes the agent's answer where no model fills the field."""

    id: FieldId
    label: Label
    most_chars: Annotated[int, Meta(ge=1, le=20_000)] = 2000
    from_answer: bool = False


Field = ChoiceField | NumberField | TextField


class ReportTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A report's title and fields."""

    title: Label
    fields: Annotated[tuple[Field, ...], Meta(min_length=1, max_length=100)]
    schema_version: int = 1


DEFAULT_TEMPLATE = ReportTemplate(
    title="Reading of a slide",
    fields=(
        TextField(id="summary", label="Summary", from_answer=True),
        NumberField(
            id="densest",
            label="Nuclei in the densest region",
            unit="nuclei/mm²",
            figure="Nuclei per mm2",
        ),
        ChoiceField(
            id="quality",
            label="Quality of the slide",
            options=("good", "sufficient", "poor", "not judged"),
        ),
    ),
)


def load_template(path: Path) -> ReportTemplate:
    """Raise AgentError with one sentence where the file is no template."""
    try:
        template = msgspec.json.decode(
            read_regular(path, JSON_BYTES), type=prepared(ReportTemplate)
        )
    except OSError as error:
        raise AgentError(f"{path} cannot be read ({reason_of(error)}).") from error
    except DECODE_ERRORS as error:
        raise AgentError(
            f"{path.name} is no template of a report: {error}; docs/agents.md tells what is."
        ) from error
    ids = [field.id for field in template.fields]
    if len(set(ids)) < len(ids):
        raise AgentError(f"{path.name} has two fields of one id: give each its own.")
    return template


def checked_values(template: ReportTemplate, values: Mapping[str, object]) -> dict[str, Value]:
    """Return a value for each field, None where there is none.

    Raises
    ------
    BadAnswerError
        A value does not fit its field; the sentence is for the model.
    """
    unknown = set(values) - {field.id for field in template.fields}
    if unknown:
        raise BadAnswerError(f"There is no field {', '.join(sorted(unknown))}.")
    return {field.id: _checked(field, values.get(field.id)) for field in template.fields}


def schema_text(template: ReportTemplate) -> str:
    """Return what a model is asked to fill, in words."""
    return "\n".join(f"- {field.id} ({field.label}): {_wanted(field)}" for field in template.fields)


def _wanted(field: Field) -> str:
    match field:
        case ChoiceField():
            return "one of " + ", ".join(f'"{option}"' for option in field.options)
        case NumberField():
            return f"a number{f' in {with_signs(field.unit)}' if field.unit else ''}, or null"
        case TextField():
            return f"text of at most {field.most_chars} characters, or null"


def _checked(field: Field, value: object) -> Value:
    if value is None:
        return None
    match field:
        case ChoiceField():
            if value not in field.options:
                raise BadAnswerError(f"{field.id} has to be {_wanted(field)}.")
            return str(value)
        case NumberField():
            return _number(field, value)
        case TextField():
            if not isinstance(value, str) or len(value) > field.most_chars:
                raise BadAnswerError(f"{field.id} has to be {_wanted(field)}.")
            return value


def _number(field: NumberField, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadAnswerError(f"{field.id} has to be {_wanted(field)}.")
    if (field.low is not None and value < field.low) or (
        field.high is not None and value > field.high
    ):
        raise BadAnswerError(f"{field.id} has to lie from {field.low} to {field.high}.")
    return float(value)
