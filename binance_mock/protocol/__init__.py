"""Binance's protocol: what a request may say, who may say it, and what the answers look like."""
