"""Keeps the websockets alive and turns frames into events in Redis streams. Knows nothing of traders."""
