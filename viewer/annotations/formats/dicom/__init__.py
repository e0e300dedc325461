"""DICOM annotations: Microscopy Bulk Simple Annotations and Segmentation, through highdicom."""
