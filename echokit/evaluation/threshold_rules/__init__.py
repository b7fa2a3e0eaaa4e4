"""Rules that choose a threshold: ``rule(y, score)`` on the validation patients of a fold."""
