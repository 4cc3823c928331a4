"""Candles: when they open and close, and how trades and shorter ones make them. Pure, for all who have any."""
