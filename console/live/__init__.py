"""Pages that refresh themselves: one reader for all of them (`reader`), its `hub`, and the `stream` to each page.

A page names topics, of which there are two kinds: `sym.ETHUSDT`, a symbol at the current venue, and `trader.17`. It
is sent frames, at most four a second:

    values   texts by their names, for what carries data-live="sym.ETHUSDT.price": [text, sign]
    bars     trades by the second, for the candle that is being made: {symbol: [[s, open, high, low, close, volume]]}
    changed  topics of which rows have changed: the page asks for them
    beat     every two seconds, whatever happens: whether Redis and the database answer

No page, no work: the reader begins with the first page and ends with the last.
"""
