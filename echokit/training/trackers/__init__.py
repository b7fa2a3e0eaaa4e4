"""Callbacks that send the numbers of a training to a tracker."""
