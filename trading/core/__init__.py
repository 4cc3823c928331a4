"""What a trader decides, and why: pure functions of frozen values. No clock, no database, no network."""
