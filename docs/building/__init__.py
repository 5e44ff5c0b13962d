"""Pages that are built from the code: assumptions, keys of a scenario file, models."""
