"""Write the small pictures of check boxes, arrows and the like, in the colors of each theme."""

from __future__ import annotations

from viewer.resource_files import resource
from viewer.ui.theme import DARK, LIGHT, Theme

_LINES = {
    "down": "M3.5 6 8 10.5 12.5 6",
    "up": "M3.5 10 8 5.5 12.5 10",
    "right": "M6.5 4.5 10 8 6.5 11.5",
    "check": "M3 8.5 6.5 12 13 4.5",
    "partly": "M3.5 8 H12.5",
    "tick": "M3 8.5 6.5 12 13 4.5",
}
"""Name of a file -> a path in a square of 16."""
_ON_ACCENT = ("check", "partly")
_GRAYED = ("down", "up")


def signs(theme: Theme) -> dict[str, str]:
    """Return the SVG text of each picture of a theme, by the name of its file."""
    drawn = {
        f"{name}.svg": _line(path, theme.accent_text if name in _ON_ACCENT else theme.text)
        for name, path in _LINES.items()
    }
    grayed = {f"{name}-disabled.svg": _line(_LINES[name], theme.disabled_text) for name in _GRAYED}
    dot = _svg(f'<circle cx="8" cy="8" r="4" fill="{theme.accent_text}"/>')
    return drawn | grayed | {"dot.svg": dot}


def main() -> None:
    """Write the pictures of both themes below `resources/theme`."""
    for theme in (DARK, LIGHT):
        folder = resource("theme", theme.name)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in signs(theme).items():
            (folder / name).write_text(text, encoding="utf-8")


def _line(path: str, color: str) -> str:
    return _svg(
        f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.7" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )


def _svg(shape: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{shape}</svg>\n'


if __name__ == "__main__":
    main()
