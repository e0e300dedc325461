"""How agents decide: without a language model, with proposals first, or by the model alone."""
