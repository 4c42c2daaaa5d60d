"""Built-in plugins of vgbench: loggers."""
