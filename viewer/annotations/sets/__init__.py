"""Sets of annotations: each belongs to a slide, a reader and, where there is one, a project."""
