"""Can a mask be trusted? What it keeps of the heart, what it leaves of the screen, and whether it tells the outcome."""
