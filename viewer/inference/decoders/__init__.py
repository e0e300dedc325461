"""What networks say of a block cut into numbered objects; runs in the model process.

A module a kind of network; none knows torch or slides.
"""
