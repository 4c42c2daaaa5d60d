"""Plugins: where they are found, what they have to be, and who is told of an error of theirs."""
