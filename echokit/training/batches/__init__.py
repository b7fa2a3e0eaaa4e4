"""From prepared clips or features to batches on a device."""
