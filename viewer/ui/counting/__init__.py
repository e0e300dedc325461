"""Counting in the window: the mode with its bar, the frame dialog, the table of a count."""
