"""Registry, hook specifications, discovery, parameter schema and the list of built-in components."""
