"""What people draw, in the window: list, classes, files, versions."""
