"""Where places of one slide lie on another, such as on the next section of the block."""
