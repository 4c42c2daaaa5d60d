"""Built-in plugins of vgbench: planners."""
