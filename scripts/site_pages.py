"""What MkDocs is told of links that leave `docs/`: cards of models become pages, code its name."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

_MODELS = Path(__file__).parents[1] / "resources" / "models"
_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)]+)\)")
_CARD = re.compile(r"resources/models/([\w-]+)/README\.md")


def on_files(files: Any, config: Any) -> Any:
    """Add the card of each bundled model."""
    for card in sorted(_MODELS.glob("*/README.md")):
        page = f"cards/{card.parent.name}.md"
        files.append(File.generated(config, page, abs_src_path=str(card)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Replace links that lead out of the documents."""
    up = "../" * page.file.src_uri.count("/")

    def replaced(match: re.Match[str]) -> str:
        text, target = match.groups()
        card = _CARD.fullmatch(target)
        return f"[{text}]({up}cards/{card[1]}.md)" if card else text

    return _LINK.sub(replaced, markdown)
