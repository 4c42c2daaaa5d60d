"""Tables of run folders: what ran, with intervals, beside what was published."""
