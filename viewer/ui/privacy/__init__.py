"""What is kept, who may read it, and what may leave the machine, as the settings show it."""
