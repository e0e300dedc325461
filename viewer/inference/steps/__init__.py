"""In the model process: what a model is fed for a block, and what is made of its answers."""
