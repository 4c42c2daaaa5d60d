"""Built-in plugins of vgbench: distances."""
