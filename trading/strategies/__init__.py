"""Strategies that a symbol can be traded by: Hedgehog's own and those of modules that a setting names."""
