"""The synthetic beating heart: apical four-chamber videos in the layouts of real data sets."""
