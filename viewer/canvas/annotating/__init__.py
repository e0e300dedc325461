"""Tools that draw and change annotations."""
