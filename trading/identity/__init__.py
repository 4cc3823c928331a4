"""Whose an order on the exchange is: this installation's, another one's, or a living copy's. docs/identity.md."""
