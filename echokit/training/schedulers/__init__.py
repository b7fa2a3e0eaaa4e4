"""The schedules that a recipe can name without a library, and their input."""
