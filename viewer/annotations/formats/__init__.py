"""The file formats of annotations, a module each."""
