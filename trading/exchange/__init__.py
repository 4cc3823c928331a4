"""What traders ask of an exchange, what it may answer, and the client that speaks Binance's protocol."""
