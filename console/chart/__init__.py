"""What charts show: the market's candles (`market`), and our own fills, orders and prices on them (`own`)."""
