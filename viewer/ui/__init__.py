"""The main window, its docks, dialogs, actions and settings."""

# PySide reads the source of every module that is imported after it, in search of its own name, and
# keeps it: what knows nothing of Qt comes first, which saves time and 11 MB at the start.
import viewer.agents.drafting
import viewer.agents.policies.predictor
import viewer.agents.trained_proposals
import viewer.annotations.formats.sniffing
import viewer.annotations.storage.autosave
import viewer.overlays.files.export
import viewer.overlays.files.result_files
import viewer.recording.analysis
import viewer.recording.export
import viewer.studies.project_file  # noqa: F401
