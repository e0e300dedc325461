"""The lines of a review's file: what a reviewer did, in order; nothing is ever taken back out."""

from __future__ import annotations

from typing import Literal

import msgspec

from viewer.recording.session import SessionError

Verdict = Literal["accepted", "edited", "rejected", "skipped"]
Source = Literal["model", "typed", "dictated", "none"]
"""Where a text is from: a model, a reviewer's hand or voice, or nowhere."""

REVIEW_SCHEMA_VERSION = 1


class ReviewError(SessionError):
    """A review that cannot be used; `str()` is one sentence: what is wrong and what to do."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A rationale that a model proposes for an action.

    Attributes
    ----------
    item
        The action, as `items.item_key` names it.
    prompt_sha256
        Of the prompt that was sent with the pictures, in hex.
    at_utc
        ISO 8601.
    """

    item: str
    text: str
    model: str
    prompt_sha256: str
    at_utc: str


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """The first line: whose review of which session it is."""

    session: str
    reviewer: str
    app_version: str
    at_utc: str
    schema_version: int = REVIEW_SCHEMA_VERSION


class Decided(msgspec.Struct, frozen=True, kw_only=True, tag="decided"):
    """A verdict on the rationale of an action.

    Attributes
    ----------
    text
        What goes out: "" where the rationale was rejected or skipped.
    source
        "model" where there was a draft to judge.
    draft, model, prompt_sha256
        Of the draft that was judged; "" where there was none.
    edit_distance
        Characters to insert, delete or replace from draft to text (Levenshtein 1966); None where
        there was no draft or no text goes out.
    seconds
        Spent on the item since the line about it before.
    """

    item: str
    verdict: Verdict
    text: str
    source: Source
    seconds: float
    at_utc: str
    draft: str = ""
    model: str = ""
    prompt_sha256: str = ""
    edit_distance: int | None = None


class Undone(msgspec.Struct, frozen=True, kw_only=True, tag="undone"):
    """The last verdict does not count."""

    at_utc: str


class Redone(msgspec.Struct, frozen=True, kw_only=True, tag="redone"):
    """The verdict that was undone last counts again."""

    at_utc: str


class Typed(msgspec.Struct, frozen=True, kw_only=True, tag="typed"):
    """What stood in the field of an item that is not decided yet."""

    item: str
    text: str
    at_utc: str


class Looked(msgspec.Struct, frozen=True, kw_only=True, tag="looked"):
    """The reviewer left an item without a verdict; `seconds` as in `Decided`."""

    item: str
    seconds: float
    at_utc: str


Entry = Opened | Decided | Undone | Redone | Typed | Looked
