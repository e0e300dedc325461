"""Short tours on the sample slide: what to do next, gone on with once the user has done it."""
