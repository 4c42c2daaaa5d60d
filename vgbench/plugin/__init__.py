"""Plugins: where they are found, what they have to be, and to whom an error of theirs is reported."""
