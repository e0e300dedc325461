"""Results over a slide as data: outlined objects in columns, and the files that keep them."""
