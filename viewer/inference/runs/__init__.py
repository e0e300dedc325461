"""A model at work on a slide: which blocks, in which order, and what is kept of them."""
