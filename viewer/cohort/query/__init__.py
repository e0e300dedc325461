"""SQL over everything that is kept: slides, results, objects, annotations, sessions, answers."""
