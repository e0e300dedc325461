"""The Batch page: a model over many slides, and the table over all of them."""
