"""Traders: what they decide (core), where they order (exchange), what they remember (models), who wakes them."""
