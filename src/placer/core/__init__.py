"""The decision, pure: importable without touching the machine."""
