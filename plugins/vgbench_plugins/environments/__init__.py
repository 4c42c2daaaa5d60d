"""Built-in plugins of vgbench: environments."""
