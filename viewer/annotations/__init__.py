"""What people draw on slides, and the files that other tools keep it in."""
