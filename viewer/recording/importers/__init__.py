"""Logs of other viewers, turned into sessions."""

from viewer.recording.importers.importing import ImportOptions, import_log

__all__ = ["ImportOptions", "import_log"]
