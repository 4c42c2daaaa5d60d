"""The JEPA: networks put together, and how they are computed."""
