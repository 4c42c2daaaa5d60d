"""Experiments: one run, suites and sweeps of them, and where they are executed."""
