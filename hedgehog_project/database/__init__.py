"""Sessions with the database: their time-outs, what its errors mean."""
