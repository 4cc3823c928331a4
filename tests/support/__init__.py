"""What tests need around them: a Redis, processes, PostgreSQL, a browser, all of their own and gone afterwards."""
