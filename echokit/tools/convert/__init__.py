"""From a hospital's folder to a dataset: B-mode clips under pseudonyms."""
