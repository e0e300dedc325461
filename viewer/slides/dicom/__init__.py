"""DICOM by its headers alone: what a file is, and which files of a folder are one slide."""
