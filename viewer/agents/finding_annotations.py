"""What an agent found, as annotations of the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely

from viewer.annotations.annotation import DESCRIPTION, Annotation, AnnotationClass

if TYPE_CHECKING:
    from viewer.agents.findings import Finding

AGENT_CLASS = AnnotationClass("Agent's finding", "#7c6cf2")


def finding_annotation(finding: Finding) -> Annotation:
    """Return a box with the finding's label, words and figures; it says who found it."""
    return Annotation(
        shapely.box(*finding.box),
        shown_as=AGENT_CLASS,
        name=finding.label,
        measurements=dict(finding.figures),
        metadata={DESCRIPTION: finding.text},
    ).signed(f"agent ({finding.author})" if finding.author else "agent")
