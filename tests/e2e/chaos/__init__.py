"""The fault suite over the wire: real processes on their worst day, and the books to the last unit afterwards.

`make chaos` runs it long and writes a report; tests/e2e/test_chaos.py runs it short.
"""
