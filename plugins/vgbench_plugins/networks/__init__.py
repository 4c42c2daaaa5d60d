"""Built-in plugins of vgbench: networks."""
