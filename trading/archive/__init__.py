"""What keeps the database from growing for ever: old journals move to files, other old rows are deleted."""
