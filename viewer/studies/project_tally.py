"""How many slides of a project are in which state, and whom they are assigned to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.studies.project import Project, ProjectSlide


class ProjectTally:
    """Counts the slides of a project once, then by what is changed.

    Attributes
    ----------
    states, people
        How many slides there are by state, and by who is to read them.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.states = Counter[str](slide.state for slide in project.slides)
        self.people = Counter(slide.assignee for slide in project.slides)

    def followed(self, project: Project) -> ProjectTally:
        """Return the tally of a project: this one, brought up to it, or another."""
        changed = project.changes_since(self.project)
        if changed is None:
            return ProjectTally(project)
        for number in changed:
            self._count(self.project.slides[number], -1)
            self._count(project.slides[number], 1)
        self.project = project
        return self

    def _count(self, slide: ProjectSlide, step: int) -> None:
        for counts, name in ((self.states, slide.state), (self.people, slide.assignee)):
            counts[name] += step
            if not counts[name]:
                del counts[name]
