"""Sessions with the database: their time-outs, what its errors mean, and queries whose SQL is built once."""
