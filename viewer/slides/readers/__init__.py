"""The readers of slide files, a module each."""
