"""From a file on disk to a window of frames."""
