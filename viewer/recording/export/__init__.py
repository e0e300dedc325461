"""Sessions as datasets: conversations, tables and shards that other programs load."""

from typing import TYPE_CHECKING

from viewer.recording.export.options import FORMATS, ExportError, ExportOptions

if TYPE_CHECKING:
    from viewer.recording.export.exporting import export_sessions
    from viewer.recording.export.manifest import Manifest, read_manifest

__all__ = [
    "FORMATS",
    "ExportError",
    "ExportOptions",
    "Manifest",
    "export_sessions",
    "read_manifest",
]


def __getattr__(name: str) -> object:
    # The exporters draw pictures and read slides: they are loaded by the first who exports, not by
    # everyone who needs the options.
    if name == "export_sessions":
        from viewer.recording.export.exporting import export_sessions

        return export_sessions
    if name in ("Manifest", "read_manifest"):
        from viewer.recording.export import manifest

        return getattr(manifest, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
