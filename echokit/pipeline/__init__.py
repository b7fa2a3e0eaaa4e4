"""The core loop and its stages: recipe -> cohort -> clips -> folds -> results; and inference on new videos."""
