"""Plots of runs, sweeps and the paper's figures."""
