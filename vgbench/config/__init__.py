"""Configuration: from registry.yaml, flags and files to one validated `RunSpec`."""
