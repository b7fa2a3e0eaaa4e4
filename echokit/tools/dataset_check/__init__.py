"""The doctor of datasets: what is wrong in a directory, before anything is trained on it."""
