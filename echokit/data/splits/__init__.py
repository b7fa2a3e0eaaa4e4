"""Resamplers: how a cohort is divided into training, validation and test."""
