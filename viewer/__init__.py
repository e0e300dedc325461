"""Coverslip: a desktop whole-slide viewer."""

__version__ = "0.1.0"
