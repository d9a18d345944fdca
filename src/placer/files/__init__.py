"""Files that people write and review: YAML with positions, the catalogue, evidence."""
