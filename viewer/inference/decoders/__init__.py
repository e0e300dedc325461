"""What networks say of a block cut into numbered objects; runs in the model process."""
