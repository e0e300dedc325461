"""The files that results over a slide are read from and written to."""
