"""The page of the cores of a tissue microarray."""
