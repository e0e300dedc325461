"""JPEG 2000: what its boxes and its code say, and areas of it, for all that hold it."""
