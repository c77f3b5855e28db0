"""One page a file: controls, one call of the core, a pure figure."""
