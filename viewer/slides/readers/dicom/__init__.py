"""DICOM whole-slide images, read through wsidicom."""
