"""The process that runs a model: started and watched from outside, and what it does within."""
