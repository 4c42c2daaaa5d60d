"""Files: run folders, records, YAML, locks, provenance."""
