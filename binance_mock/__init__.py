"""A small exchange of its own that speaks Binance's protocol. Knows neither trading nor its database."""
