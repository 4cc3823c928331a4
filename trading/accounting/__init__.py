"""Accounting: what trading has brought and what is held, net of all commissions, over time and for taxes."""
