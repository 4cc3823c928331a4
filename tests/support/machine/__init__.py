"""A machine for tests: processes, hosts and links between them, a full disk, PostgreSQL; all gone afterwards."""
