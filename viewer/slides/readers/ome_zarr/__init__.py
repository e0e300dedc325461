"""OME-Zarr, read through zarr, and the chunks of it that are cut, lost or changed."""
