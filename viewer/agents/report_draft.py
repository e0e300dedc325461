"""A draft of a report, filled from a walk or by a model, and written as safe Markdown."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.chat.conversation import Turn, data_field
from viewer.agents.findings import box_of
from viewer.agents.policies.answers import json_object
from viewer.agents.policies.prompts import system_text
from viewer.agents.report_template import (
    NumberField,
    ReportTemplate,
    TextField,
    Value,
    checked_values,
    schema_text,
)
from viewer.measurement_names import with_signs
from viewer.recording.agent_modes import agent_mode

if TYPE_CHECKING:
    from viewer.agents.chat.client import Client
    from viewer.agents.chat.conversation import Reply
    from viewer.agents.loop import Outcome

DRAFT = "Draft for research, not for diagnosis"
_SYSTEM = (
    "You fill in a structured report from the findings of a reading of a slide. Use only what the "
    "findings say; where they say nothing, give null."
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|!~&])")
_LIST_BEGIN = re.compile(r"^(\d*)([-+=.)])")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|www)([:.])")


class Draft(msgspec.Struct, frozen=True):
    """A report to be looked through by a person.

    Attributes
    ----------
    values
        By the fields' ids; None where there is none.
    """

    template: ReportTemplate
    values: dict[str, Value]
    outcome: Outcome
    author: str


def draft_from_walk(outcome: Outcome, template: ReportTemplate) -> Draft:
    """Return what can be filled without a model: figures of findings, and the answer."""
    values: dict[str, Value] = {}
    for field in template.fields:
        values[field.id] = None
        if isinstance(field, NumberField) and field.figure:
            wanted = with_signs(field.figure)
            known = [
                value
                for finding in outcome.findings
                for name, value in finding.figures.items()
                if with_signs(name) == wanted
            ]
            values[field.id] = max(known, default=None)
        elif isinstance(field, TextField) and field.from_answer and outcome.answer:
            values[field.id] = outcome.answer.text[: field.most_chars]
    return Draft(template, values, outcome, outcome.policy)


def draft_by_model(client: Client, outcome: Outcome, template: ReportTemplate) -> Draft:
    """Have a model fill the template from what the walk found; raises as `Client.ask_checked`."""
    findings = {
        "findings": [msgspec.to_builtins(finding) for finding in outcome.findings],
        "answer": msgspec.to_builtins(outcome.answer),
        "notes": outcome.notes,
    }
    asked = (
        f"{data_field('reading', findings)}\nFill in these fields:\n{schema_text(template)}\n"
        "Answer with one JSON object of id to value and nothing else."
    )

    def check(reply: Reply) -> dict[str, Value]:
        return checked_values(template, json_object(reply))

    turns = [Turn("system", system_text(_SYSTEM)), Turn("user", asked)]
    values, _ = client.ask_checked(turns, check)
    return Draft(template, values, outcome, client.endpoint.model)


def markdown(draft: Draft) -> str:
    """Return the draft as Markdown; texts of models stay plain, whatever is in them."""
    outcome = draft.outcome
    lines = [f"# {plain(draft.template.title)}", "", f"**{DRAFT}.**", ""]
    lines += [f"Question: {plain(outcome.task.question)}", ""]
    mode, author = agent_mode(outcome.policy), agent_mode(draft.author)
    lines += [f"Read by an agent ({plain(mode)}), filled in by: {plain(author)}.", ""]
    for field in draft.template.fields:
        lines += [
            f"## {plain(field.label)}",
            "",
            _value_text(field, draft.values.get(field.id)),
            "",
        ]
    if outcome.findings:
        lines += ["## Regions", ""]
        for finding in outcome.findings:
            box = box_of(finding.box)
            place = f"x {box.x0:,.0f}, y {box.y0:,.0f}, {box.width:,.0f} × {box.height:,.0f} px"
            lines.append(
                f"- Region {finding.region} ({place}): "
                f"{plain(finding.label)}. {plain(finding.text)}"
            )
        lines.append("")
    if outcome.answer and outcome.answer.claims:
        lines += ["## Statements", ""]
        lines += [f"- {plain(claim.line)}" for claim in outcome.answer.claims]
        lines.append("")
    if outcome.failure:
        lines += [f"The reading ended early: {plain(outcome.failure)}", ""]
    return "\n".join([*lines, "---", "", f"{DRAFT}.", ""])


def plain(text: str) -> str:
    """Text in which nothing is Markdown, HTML, a link or a hidden character any more."""
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))
    line = " ".join(kept.split())
    escaped = _SPECIAL.sub(r"\\\1", line)
    escaped = _LIST_BEGIN.sub(r"\1\\\2", escaped)
    return _ADDRESS.sub(r"\1\\\2", escaped)


def _value_text(field: object, value: Value) -> str:
    if value is None:
        return "(nothing)"
    if isinstance(field, NumberField):
        if not isinstance(value, float):
            return "(nothing)"
        return f"{value:,.6g} {plain(with_signs(field.unit))}".strip()
    return plain(str(value))
