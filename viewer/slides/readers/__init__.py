"""The readers of slide files, a module or a package each, and what several of them read."""
