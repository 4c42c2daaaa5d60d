"""Recordings of others as data sets of vgbench: files read, their layout recognised, episodes checked and written."""
