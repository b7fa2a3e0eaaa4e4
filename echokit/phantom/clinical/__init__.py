"""The phantom as a hospital's cohort: DICOM and AVI as scanners write them, an outcome, and the truth of each clip."""
