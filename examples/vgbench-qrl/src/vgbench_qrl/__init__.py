"""QRL's objective and MRN's distance, as plugins of vgbench."""
