"""Built-in plugins of vgbench: observers."""
