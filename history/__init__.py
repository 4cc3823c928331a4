"""The past of symbols: trades and candles of the archive, in files of this installation."""
