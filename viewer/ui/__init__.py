"""The main window, its docks, dialogs, actions and settings."""
