"""A model as a folder: what it says of itself, the library, and where models come from."""
