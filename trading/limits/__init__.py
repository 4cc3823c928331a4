"""Limits: which buys are held back for the sake of the money, and what a new trader gets of it."""
