"""The main window, its pages, dialogs, commands and settings."""

import builtins

import PySide6.QtCore  # noqa: F401 - it puts the hook in place

# PySide's hook, which is there for `from __feature__ import snake_case`, reads the source of every
# module that is imported after it, in search of its own name, and keeps it. Nothing here uses those
# features: without it the start saves a seventh of its time and 17 MB.
builtins.__import__ = getattr(builtins, "__orig_import__", builtins.__import__)
