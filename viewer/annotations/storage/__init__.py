"""How annotations are kept between two openings of a slide."""
