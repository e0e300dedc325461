"""Plain TIFF and OME-TIFF: layout, codecs, colors and metadata of any image file of the kind."""
