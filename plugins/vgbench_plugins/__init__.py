"""Built-in plugins of vgbench."""
