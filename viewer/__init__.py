"""Coverslip: a desktop whole-slide viewer."""

__version__ = "0.2.0"
