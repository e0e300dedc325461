"""Classifiers that a reader teaches by marks: of objects, and of pixels."""
