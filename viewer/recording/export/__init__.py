"""Sessions as datasets: conversations, tables and shards that other programs load."""

from viewer.recording.export.exporting import export_sessions
from viewer.recording.export.manifest import Manifest, read_manifest
from viewer.recording.export.options import FORMATS, ExportError, ExportOptions

__all__ = [
    "FORMATS",
    "ExportError",
    "ExportOptions",
    "Manifest",
    "export_sessions",
    "read_manifest",
]
