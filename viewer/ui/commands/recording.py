"""Commands of the Record menu, and the keys of a review."""

from __future__ import annotations

from viewer.ui.commands.command import PANELS, Command, while_recording, while_reviewing

RECORDING = ("&Record",)
REVIEW = ("&Record", "Re&view of a session")

REVIEW_COMMANDS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "review.accept",
        "&Accept",
        "mdi6.check",
        "Accept the rationale of this action; of annotations, approve or accept the object",
        ("Y", "Ctrl+Return"),
    ),
    (
        "review.edit",
        "&Edit",
        "mdi6.pencil-outline",
        "Put the cursor into the text; of annotations, correct the object",
        ("F2",),
    ),
    (
        "review.reject",
        "&Reject",
        "mdi6.close",
        "Export no rationale for this action; of annotations, return or reject the object",
        ("X",),
    ),
    (
        "review.skip",
        "&Skip",
        "mdi6.debug-step-over",
        "Leave this action without a judgment and go on",
        ("G",),
    ),
    ("review.previous", "&Previous", "mdi6.chevron-left", "Go to the action before", ("I",)),
    ("review.next", "Ne&xt", "mdi6.chevron-right", "Go to the action after", ("J",)),
    ("review.undo", "&Undo verdict", "mdi6.undo", "Take the last verdict back", ("U",)),
    (
        "review.redo",
        "Re&do verdict",
        "mdi6.redo",
        "Let the verdict count again that was taken back",
        ("Shift+U",),
    ),
)
"""Id, text, icon, tip and keys of what is done in a review; the keys work while it is open."""


def _review_command(
    command_id: str, text: str, icon: str, tip: str, shortcuts: tuple[str, ...]
) -> Command:
    return Command(command_id, text, icon, tip, REVIEW, shortcuts, while_reviewing)


RECORDING_COMMANDS: tuple[Command, ...] = (
    Command(
        "recording.on",
        "&Record my reading",
        "mdi6.record-circle-outline",
        "Log where you look on the slide; it stays on this machine",
        RECORDING,
        ("Ctrl+R",),
        checkable=True,
    ),
    Command(
        "recording.pause",
        "&Pause recording",
        "mdi6.pause-circle-outline",
        "Record nothing until pressed again",
        RECORDING,
        ("F9",),
        while_recording,
        checkable=True,
    ),
    Command(
        "recording.note",
        "Take a &note...",
        "mdi6.note-edit-outline",
        "Write down what you see here; kept in the session where the settings allow texts",
        RECORDING,
        ("Ctrl+N",),
        while_recording,
    ),
    Command(
        "panels.sessions",
        "&Sessions",
        "mdi6.history",
        "Show the recorded readings: replay, rename, delete, export",
        PANELS,
        ("Ctrl+Shift+R",),
        checkable=True,
    ),
    Command(
        "panels.replay",
        "Re&play",
        "mdi6.play-circle-outline",
        "Show the replay of a recorded reading",
        PANELS,
        (),
        checkable=True,
    ),
    Command(
        "panels.seen",
        "&Coverage",
        "mdi6.eye-check-outline",
        "Show where the time went, what was seen at which magnification, and what was not",
        PANELS,
        ("Ctrl+Shift+E",),
        checkable=True,
    ),
    Command(
        "panels.review",
        "Re&view",
        "mdi6.clipboard-check-outline",
        "Show the review of a session: why the reader looked where they did, action by action",
        PANELS,
        (),
        checkable=True,
    ),
    *(_review_command(*command) for command in REVIEW_COMMANDS),
)
