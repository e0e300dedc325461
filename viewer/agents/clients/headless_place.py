"""Slides read by an agent of another program without a window, each a session in the library."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.clients.client_limits import MEGAPIXELS, MOST_STEPS
from viewer.agents.clients.client_policy import ClientPolicy
from viewer.agents.errors import AgentError, ToolError
from viewer.agents.finding_annotations import finding_annotation
from viewer.agents.reading import ReadingOptions, read_slide, write_text
from viewer.agents.report_draft import draft_from_walk, markdown
from viewer.agents.report_template import DEFAULT_TEMPLATE
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AGENT_SET, AnnotationSet, SetKey
from viewer.annotations.sets.listing import sets_of_slide
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.slide_file import kept_annotations
from viewer.annotations.storage.store import AnnotationStoreError, Stamped
from viewer.folders import data_folder
from viewer.recording.agent_modes import AGENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.agents.actions import Task
    from viewer.agents.clients.allowed_folders import AllowedFolders
    from viewer.agents.findings import Finding
    from viewer.annotations.annotation import Annotation

_OPEN_S = 60.0
_END_S = 20.0
REPORT = "report.md"


class HeadlessOptions(msgspec.Struct, frozen=True):
    """How slides are read.

    Attributes
    ----------
    sessions
        Each reading gets a folder in it.
    reader
        Whose annotations are read, and beside whose the agent's own set stands; by pseudonym.
    megapixels
        Of images that are given of one slide.
    """

    sessions: Path
    reader: str = ""
    most_steps: int = MOST_STEPS
    megapixels: float = MEGAPIXELS
    device: str = "auto"
    tissue_model: str | None = None


class HeadlessPlace:
    """Opens slides below the allowed folders; naming a folder is the consent for its slides."""

    def __init__(self, allowed: AllowedFolders, options: HeadlessOptions) -> None:
        self._allowed = allowed
        self._options = options

    def open(self, path: str, client: str, task: Task) -> HeadlessReading:
        """Open a slide and begin a reading.

        Raises
        ------
        AgentError, SlideError
            It is not allowed, or cannot be opened; one sentence.
        """
        reading = HeadlessReading(self._allowed.slide(path), client, task, self._options)
        reading.begin()
        return reading

    def close(self) -> None:
        """Do nothing: each reading is closed by who opened it."""


class HeadlessReading:
    """One slide, from `begin` to `close`, in a thread of its own."""

    def __init__(self, slide: Path, client: str, task: Task, options: HeadlessOptions) -> None:
        self.policy = ClientPolicy(client)
        self.megapixels = options.megapixels
        self._slide = slide
        self._task = task
        self._options = options
        self._session: Path | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="client's reading", daemon=True)

    def begin(self) -> None:
        """Open the slide; return when calls can be carried out. Raises AgentError, SlideError."""
        self._thread.start()
        if self.policy.wait_begun(_OPEN_S):
            return
        self.close()
        if self._error is not None:
            raise self._error
        raise AgentError("The slide could not be opened in time.")

    def close(self) -> None:
        run = self.policy.run
        if run is not None:
            run.cancel()
        self.policy.end()
        self._thread.join(_END_S)

    def _read(self) -> None:
        options, slide = self._options, self._slide
        reading_options = ReadingOptions(
            options.most_steps,
            f"{AGENT_PREFIX}{self.policy.name}",
            None,
            options.device,
            options.tissue_model,
            lambda identity: stored_annotations(identity, slide, options.reader),
            lambda identity, finding: keep_finding(identity, finding, options.reader),
        )
        try:
            reading = read_slide(
                slide,
                options.sessions,
                self._task,
                lambda _session: self.policy,
                reading_options,
                on_run=self.policy.attach,
            )
            if reading.session.exists():
                draft = draft_from_walk(reading.outcome, DEFAULT_TEMPLATE)
                write_text(reading.session / REPORT, markdown(draft))
        except Exception as error:  # raised again where the slide was asked for
            self._error = error
        finally:
            self.policy.end()


def stored_annotations(identity: str, slide: Path, reader: str) -> Sequence[Annotation]:
    """Return a reader's annotations of a slide, and those of the agent's own set.

    Raises
    ------
    ToolError
        They cannot be read; one sentence.
    """
    try:
        found = list(kept_annotations(identity, slide, reader=reader))
        for each in sets_of_slide(data_folder(), identity):
            if each.key.reader == reader:
                found += SetStore(each, read_only=True).annotations()[0]
    except (AnnotationStoreError, OSError) as error:
        raise ToolError(f"The annotations cannot be read: {error}") from error
    return found


def keep_finding(identity: str, finding: Finding, reader: str) -> None:
    """Add a finding to the agent's own set. Raises ToolError."""
    which = AnnotationSet(
        data_folder(), identity, SetKey(reader, AGENT_SET), "agent", finding.author
    )
    found = finding_annotation(finding)
    try:
        store = SetStore(which)
        try:
            store.write([Stamped.now(adding("Agent's finding", [found]), found.author)])
        finally:
            store.close()
    except (AnnotationStoreError, OSError) as error:
        raise ToolError(f"The annotation was not kept: {error}") from error
