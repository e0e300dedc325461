"""Which files and folders make up one slide."""
