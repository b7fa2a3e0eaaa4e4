"""Device, precision, processes and memory."""
