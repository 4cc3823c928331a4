"""The books: what the exchange reports, what it did not report, and whether both sides agree."""
