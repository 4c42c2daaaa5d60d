"""vgbench from Python: what the commands do, with the same names; `import vgbench` offers all of it lazily."""
