"""A schedule: as given, compiled, and stepped through."""
