"""Agents measured on questions about slides."""
