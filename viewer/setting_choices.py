"""What of the settings the user chooses in a dialog, described as data: groups, words, ranges."""

from __future__ import annotations

import msgspec

GENERAL = "General"
NAVIGATION = "Navigation"
DISPLAY = "Display"
ANNOTATIONS = "Annotations"
AI = "AI"
RECORDING = "Recording"
AGENTS = "Agents"
GROUPS = (GENERAL, NAVIGATION, DISPLAY, ANNOTATIONS, AI, RECORDING, AGENTS)
"""In the order in which the dialog shows them."""


class Choice(msgspec.Struct, frozen=True):
    """One setting as a dialog shows it.

    Attributes
    ----------
    explanation
        One or two sentences that stand under the setting.
    options, names
        The values of a list and what they are called; empty for a switch, a text or a number.
    low, high
        The range of a number, `step` its step; all 0 for anything else.
    unit
        Of a number, shown behind it.
    words
        Other words by which people look for the setting.
    """

    group: str
    field: str
    label: str
    explanation: str
    options: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    unit: str = ""
    words: str = ""


CHOICES: tuple[Choice, ...] = (
    Choice(
        GENERAL,
        "theme",
        "Theme",
        "Colors of the window. The slide's own colors stay as they are.",
        ("dark", "light", "system"),
        ("Dark", "Light", "As the desktop"),
        words="dark mode light mode appearance skin",
    ),
    Choice(
        GENERAL,
        "cache_mib",
        "Tile memory",
        "Memory for the tiles of slides. Automatic takes a quarter of the machine's, max. "
        "2,048 MiB.",
        low=0,
        high=65_536,
        step=256,
        unit=" MiB",
        words="cache ram",
    ),
    Choice(
        GENERAL,
        "worker_count",
        "Reading threads",
        "Tiles read at the same time. Automatic takes one per core, max. four. Applies to slides "
        "opened next.",
        low=0,
        high=16,
        step=1,
        words="workers cores cpu performance",
    ),
    Choice(
        GENERAL,
        "trusted_folders",
        "Trusted folders",
        "Slides in these folders are read inside the window's own process, which is faster and "
        "less safe. Separate several with a semicolon.",
        words="security sandbox",
    ),
    Choice(
        GENERAL,
        "slide_readers",
        "Slide readers of other packages",
        "Names of plug-ins that read further formats, confined to the slide. Separate several with "
        "a semicolon. Applies to slides opened next.",
        words="plugins plug-ins formats entry points",
    ),
    Choice(
        NAVIGATION,
        "wheel_speed",
        "Wheel speed",
        "How far a notch of the mouse wheel zooms. At 1, two notches double the magnification.",
        low=0.25,
        high=4.0,
        step=0.25,
        unit=" ×",
        words="scroll mouse zoom sensitivity",
    ),
    Choice(
        NAVIGATION,
        "wheel_inverted",
        "Invert wheel",
        "Zoom in by turning the wheel toward you.",
        words="scroll mouse direction reverse natural",
    ),
    Choice(
        NAVIGATION,
        "touchpad_speed",
        "Touchpad speed",
        "How far two fingers on a touchpad zoom.",
        low=0.25,
        high=4.0,
        step=0.25,
        unit=" ×",
        words="trackpad scroll zoom sensitivity",
    ),
    Choice(
        NAVIGATION,
        "touchpad_inverted",
        "Invert touchpad",
        "Zoom in by moving two fingers down.",
        words="trackpad scroll direction reverse natural",
    ),
    Choice(
        NAVIGATION,
        "kinetic",
        "Glide after a drag",
        "The slide glides on when you let go of it in motion.",
        words="kinetic inertia momentum pan",
    ),
    Choice(
        DISPLAY,
        "show_overview",
        "Overview map",
        "Show the map of the whole slide in the corner of each pane.",
        words="thumbnail minimap navigator",
    ),
    Choice(
        DISPLAY,
        "show_scale_bar",
        "Scale bar",
        "Show the scale bar on the slide.",
        words="micrometer ruler",
    ),
    Choice(
        DISPLAY,
        "use_icc",
        "Scanner color profiles",
        "Open slides with their colors corrected by the ICC profile that the scanner wrote into "
        "the file, where there is one.",
        words="color management icc",
    ),
    Choice(
        ANNOTATIONS,
        "back_to_moving",
        "Return to Pan after drawing",
        "After a rectangle, ellipse, line, polygon or polyline the mouse moves the slide again, as "
        "in QuPath. Brush, wand and points stay in hand.",
        words="move tool",
    ),
    Choice(
        ANNOTATIONS,
        "annotations_beside",
        "Annotations beside slides",
        "Save annotations in a file beside the slide, where its folder can be written to, instead "
        "of in the data folder. Applies to slides opened next.",
        words="save folder storage sidecar",
    ),
    Choice(
        AI,
        "device",
        "Run models on",
        "Automatic takes the fastest device there is. Applies to models turned on next.",
        ("auto", "cpu", "cuda", "mps"),
        ("Automatic", "CPU", "CUDA (NVIDIA)", "MPS (Apple)"),
        words="gpu device graphics card",
    ),
    Choice(
        AI,
        "results_gib",
        "Result cache limit",
        "Results of models are saved up to this size. Those of slides not seen for longest are "
        "deleted first.",
        low=1,
        high=1024,
        step=1,
        unit=" GiB",
        words="disk storage predictions",
    ),
    Choice(
        AI,
        "result_stores",
        "Result stores",
        "Folders or buckets (s3://...) in which other machines keep results: what they have of a "
        "slide is shown too. Separate several with a semicolon. Applies to models chosen next.",
        words="cohort cluster bucket shared predictions",
    ),
    Choice(
        AI,
        "unconfined_models",
        "Run TorchScripts unconfined",
        "Where the system cannot confine models, run those that are programs all the same. They "
        "could read and change your files.",
        words="security sandbox",
    ),
    Choice(
        RECORDING,
        "reader",
        "Reader",
        "The pseudonym under which your readings are recorded and your annotations are signed.",
        words="name user author pathologist",
    ),
    Choice(
        RECORDING,
        "record_names",
        "Record slide names",
        "Sessions may hold the names of slide files.",
        words="privacy filename",
    ),
    Choice(
        RECORDING,
        "record_texts",
        "Record texts",
        "Sessions may hold the notes that you type.",
        words="privacy notes",
    ),
    Choice(
        RECORDING,
        "reviewer",
        "Reviewer",
        "The pseudonym under which you review sessions. Empty: the reader's.",
        words="name user",
    ),
    Choice(
        AGENTS,
        "study",
        "Study",
        "Prompts of agents, and what you allow to be sent to a model's server, are kept for this "
        "study. Its permissions are listed under Privacy.",
        words="prompt permission project",
    ),
    Choice(
        AGENTS,
        "attached_agents",
        "Agents of other programs",
        "They may ask to read slides in this window (coverslip mcp --attach). You are asked for "
        "each slide. Takes effect at the next start.",
        words="mcp model context protocol claude client attach",
    ),
    Choice(
        AGENTS,
        "agent_policies",
        "Policies of other packages",
        "Names of plug-ins by which an agent may read, each confined to a process without files "
        "and network. Separate several with a semicolon. Takes effect at the next start.",
        words="plugins plug-ins entry points gymnasium",
    ),
)
"""In the order in which the dialog shows them."""
