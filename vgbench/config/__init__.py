"""Configuration: from registry.yaml, flags and files to one validated `RunSpec`."""

SECTIONS = ("recipe", "protocol", "variant", "suite", "sweep")
"""What registry.yaml has by name and `vgbench list` and `vgbench show` print, beside the plugins."""
