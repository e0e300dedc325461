"""Slides read in a process of their own, so that a damaged or hostile file harms nothing else.

`IsolatedSource` is what the window sees; `host` is what the child runs.
"""
