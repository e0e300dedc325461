"""Label masks, their outlines, and training tiles made of them."""
