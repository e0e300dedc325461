"""Many slides read together: a list with states, classes, forms, and the answers to them."""
