"""From a hospital's folder to a dataset: which clips are B-mode of the heart, cut to the fan, under pseudonyms."""
