"""`python -m vgbench`: the `vgbench` command."""

from vgbench.cli import main

main()
