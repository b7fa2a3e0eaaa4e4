"""Files of metrics, and predictions of other software."""
