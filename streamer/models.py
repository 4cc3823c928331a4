"""Which symbols stream, from which market."""

from django.db import models

from hedgehog_project.venues.worlds import MAX_LENGTH


class StreamedSymbol(models.Model):
    """A symbol whose trade events are wanted. A running streamer follows changes within a second."""

    market = models.CharField(max_length=MAX_LENGTH)
    symbol = models.CharField(max_length=32)
    is_on = models.BooleanField("streaming", default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["market", "symbol"], name="one_row_per_market_and_symbol")]
        ordering = ["symbol", "market"]

    def __str__(self) -> str:
        return f"{self.symbol} ({self.market})"


def wanted(market: str) -> set[str]:
    """The symbols to stream from a market."""
    rows = StreamedSymbol.objects.filter(market=market, is_on=True)
    return set(rows.values_list("symbol", flat=True))
