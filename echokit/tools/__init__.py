"""Commands that are not part of a run. A tool never imports another tool."""
