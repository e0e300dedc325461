"""Reading slides: one protocol, OpenSlide for every format, a direct path for tiled TIFF."""
