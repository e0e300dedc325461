# pyright: basic
# (huggingface_hub brings types that are not complete)
"""Files of a hub of models; importing this raises ImportError without huggingface_hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import hf_hub_download


def fetched_file(
    repository: str, file: str, folder: str, token: str | None, endpoint: str | None
) -> Path:
    """Return where a file of a repository is, which is fetched into a folder unless it is there."""
    held = hf_hub_download(
        repository, file, cache_dir=folder, token=token or False, endpoint=endpoint
    )
    return Path(held)
