"""Built-in plugins of vgbench: objectives."""
