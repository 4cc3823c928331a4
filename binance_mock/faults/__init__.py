"""The exchange's bad days: which faults there are, which are on, and which is injected now.

Pure: told the time, no I/O. What an injected fault does on the wire is in `binance_mock/server/`. Faults live in
the memory of the exchange's process only: after a restart it is well again.
"""
