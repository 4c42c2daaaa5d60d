"""Training sets and tasks: collected, checked, kept in files."""
