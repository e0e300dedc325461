"""Which case, block and stain a slide is of: from its name by a rule, or as its project says."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError
from viewer.suffixes import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import regex

    from viewer.studies.project import ProjectSlide

NO_CASES = "none"
"""The rule by which slides are not grouped."""
EXAMPLES = ("S23-1234 A1 HE.svs", "TCGA-CR-7395-01A-01-TS1.svs")
PARTS = ("case", "block", "stain")
_LONGEST_NAME, _LONGEST_RULE = 300, 1000
_PATIENCE_S = 0.05
"""For one name: a rule that takes longer comes from a mistake, or from somebody who means harm."""

_SEPARATOR = r"[\s_;,.-]+"
_TCGA = (
    r"(?i)(?P<case>TCGA-[0-9A-Z]{2}-[0-9A-Z]{4})"
    r"(?:-(?P<block>\d{2}[A-Z]?(?:-\d{2}[A-Z]?)?(?:-(?:TS|BS|MS|DX)[0-9A-Z]{0,2})?))?(?:[.\s_-].*)?"
)
_ACCESSION = (
    r"(?!\d{4}-\d{2}-\d{2}(?!\d))(?P<case>(?:[A-Za-z]{1,4}-?)?\d{2,4}-(?:[A-Za-z]{1,3}-)?\d{1,8})"
    rf"(?:{_SEPARATOR}(?P<block>(?!(?i:p16|p21|p27|p40|p53|p57|p63|p504s)\b)"
    rf"(?:[A-Z]\d{{0,3}}|\d{{1,3}}[A-Z]?|[A-Z]{{2}}\d{{1,2}}(?={_SEPARATOR}))(?![A-Za-z0-9&+])))?"
    rf"(?:{_SEPARATOR}L(?:evel)?\s?\d+)?"
    rf"(?:{_SEPARATOR}(?P<stain>[A-Za-z].*))?"
)
_AUTOMATIC = (_TCGA, _ACCESSION)
"""What is tried where a project has no rule of its own: TCGA's names, then usual accession numbers.
"""

_METADATA: dict[str, tuple[str, ...]] = {
    "case": ("case", "caseid", "accession", "accessionnumber", "specimen", "patient", "patientid"),
    "block": ("block", "blockid", "part"),
    "stain": ("stain", "staining", "stainname", "marker", "antibody"),
}
"""Names of metadata in other programs' projects, without spaces and signs, the best first."""


class CaseRuleError(CoverslipError):
    """A rule that cannot be used; `str()` is one sentence."""


class CasePlace(msgspec.Struct, frozen=True):
    """Where a slide belongs; "" for what is not known."""

    case: str = ""
    block: str = ""
    stain: str = ""

    @property
    def text(self) -> str:
        """Return it on one line, as in "S23-1234 · A1 · HE"."""
        return " · ".join(filter(None, (self.case, self.block, self.stain)))

    def short_name(self, name: str) -> str:
        """Return what of a slide's name does not repeat its case, without the file's suffix."""
        stem = _stem(name)
        if not self.case or not stem.casefold().startswith(self.case.casefold()):
            return name
        return stem[len(self.case) :].strip(" _-,;.") or name


NOWHERE = CasePlace()
"""The place of a slide of which nothing is known."""


def check_rule(rule: str) -> None:
    """Raise `CaseRuleError` where a rule cannot be used."""
    _patterns(rule.strip())


def place_by_name(rule: str, name: str) -> CasePlace:
    """Return what a rule finds in the name of a slide; nothing where it does not fit.

    Parameters
    ----------
    rule
        A pattern such as "{case} {block} {stain}", or a regular expression with groups of these
        names; "" for the usual names, "none" for no cases.

    Raises
    ------
    CaseRuleError
        The rule cannot be used.
    """
    return _place(rule.strip(), name[:_LONGEST_NAME])


def place_of(rule: str, slide: ProjectSlide) -> CasePlace:
    """Return where a slide of a project belongs: what the project says of it, else by its name.

    A rule that cannot be used groups nothing; `check_rule` tells.
    """
    if rule == NO_CASES:
        return NOWHERE
    try:
        found = place_by_name(rule, slide.shown_name)
    except CaseRuleError:
        found = NOWHERE
    if not slide.case:
        return CasePlace(found.case, slide.block or found.block, slide.stain or found.stain)
    if slide.case != found.case:
        return CasePlace(slide.case, slide.block, slide.stain)
    return CasePlace(slide.case, slide.block or found.block, slide.stain or found.stain)


def place_in_metadata(metadata: Mapping[str, str]) -> CasePlace:
    """Return what the metadata of another program's project say."""
    known = {
        "".join(filter(str.isalnum, key.casefold())): value.strip()
        for key, value in metadata.items()
    }
    found = {
        part: next((known[name] for name in names if known.get(name)), "")
        for part, names in _METADATA.items()
    }
    return CasePlace(**found)


_too_slow: set[str] = set()
"""Rules that took too long once, so that they hold nobody up again."""


@lru_cache(maxsize=20_000)
def _place(rule: str, name: str) -> CasePlace:
    stem = _stem(name)
    for pattern in _patterns(rule):
        try:
            if rule in _too_slow:
                raise TimeoutError
            match = pattern.fullmatch(stem, timeout=_PATIENCE_S)
        except TimeoutError:
            _too_slow.add(rule)
            raise CaseRuleError(
                "The rule for cases takes too long: write it with fewer repetitions."
            ) from None
        if match is not None:
            groups = match.groupdict()
            return CasePlace(**{part: (groups.get(part) or "").strip() for part in PARTS})
    return NOWHERE


@lru_cache(maxsize=50)
def _patterns(rule: str) -> tuple[regex.Pattern[str], ...]:
    import regex

    if rule == NO_CASES:
        return ()
    if not rule:
        return tuple(map(regex.compile, _AUTOMATIC))
    if len(rule) > _LONGEST_RULE:
        raise CaseRuleError("The rule for cases is too long: write a shorter one.")
    is_simple = any(f"{{{part}}}" in rule for part in PARTS)
    try:
        pattern = regex.compile(_from_simple(rule) if is_simple else rule)
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise CaseRuleError(f"The rule for cases cannot be read: {error}.") from error
    if "case" not in pattern.groupindex:
        raise CaseRuleError(
            "The rule for cases names no case: write {case}, or (?P<case>...) in a regular "
            "expression."
        )
    return (pattern,)


def _from_simple(rule: str) -> str:
    """Return the regular expression of "{case} {block} {stain}"; * stands for anything."""
    import regex

    parts: list[str] = []
    seen: set[str] = set()
    for token in regex.split(r"(\{(?:case|block|stain)\}|\*|\s+)", rule):
        name = token[1:-1]
        if token.startswith("{") and name in PARTS:
            if name in seen:
                raise CaseRuleError(f"The rule for cases names {{{name}}} twice.")
            seen.add(name)
            parts.append(f"(?P<{name}>.+?)")
        elif token == "*":  # noqa: S105 - no password
            parts.append(".*?")
        else:
            parts.append(r"[\s_]+" if token.isspace() else regex.escape(token))
    return "".join(parts)


def _stem(name: str) -> str:
    """Return a name without the suffixes of slides, such as ".ome.tiff"."""
    stem = name.strip()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if stem.casefold().endswith(suffix):
            stem = stem[: -len(suffix)]
            break
    return stem[:-4] if stem.casefold().endswith(".ome") else stem
