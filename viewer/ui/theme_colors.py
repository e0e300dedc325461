"""The colors of the dark and the light window."""

from __future__ import annotations

import msgspec


class Theme(msgspec.Struct, frozen=True):
    """The colors of a window, as "#rrggbb".

    What lies round the slide is the canvas's and the same neutral gray in every theme, so that the
    eye judges the stains undisturbed.

    Attributes
    ----------
    window, panel, field
        Grounds: of the window, of buttons and panels, of what is typed in and of lists.
    text, dim_text, disabled_text
        On these grounds and on a selection; the first two as WCAG AA asks.
    line
        Parts one region from another and carries no meaning.
    border
        Of what can be clicked or typed in: 3:1 to every ground.
    accent, accent_text
        Of the first button of a page, the focus and what is turned on.
    selection
        Ground of selected rows and text.
    warning, error
        Grounds of notices.
    recording, paused
        Grounds of the state of a recording, under `signal_text`.
    """

    name: str
    window: str
    panel: str
    field: str
    text: str
    dim_text: str
    disabled_text: str
    line: str
    border: str
    accent: str
    accent_text: str
    selection: str
    warning: str
    error: str
    recording: str
    paused: str
    signal_text: str


DARK = Theme(
    name="dark",
    window="#242629",
    panel="#2c2f33",
    field="#1d1f22",
    text="#e8e9eb",
    dim_text="#b4b8bf",
    disabled_text="#7f848c",
    line="#45494f",
    border="#8f959e",
    accent="#5aa5f5",
    accent_text="#0b1622",
    selection="#2a4a70",
    warning="#4a3d17",
    error="#5c262b",
    recording="#d23c3c",
    paused="#8a6400",
    signal_text="#ffffff",
)
LIGHT = Theme(
    name="light",
    window="#f1f2f4",
    panel="#fafbfc",
    field="#ffffff",
    text="#1c1e21",
    dim_text="#565c64",
    disabled_text="#858b94",
    line="#c9cdd3",
    border="#757b84",
    accent="#1866c6",
    accent_text="#ffffff",
    selection="#cfe2fb",
    warning="#fff1cc",
    error="#fbdcdc",
    recording="#c62f2f",
    paused="#8a6400",
    signal_text="#ffffff",
)
