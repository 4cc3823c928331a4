"""The markets that the exchange's orders trade in: simulated, replayed from a file, followed, or moved by hand."""
