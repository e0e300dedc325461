"""OME-Zarr (OME-NGFF): what its JSON says, without Zarr and whatever the store."""
