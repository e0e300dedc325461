"""Pictures of a field for papers and slides: painted by the canvas, of any size."""
