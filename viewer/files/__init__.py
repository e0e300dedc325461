"""Files and folders of our own that are there whole or as they were, whatever ends the program."""
