"""What can go wrong with an exchange, named by what the caller has to do."""


class ExchangeError(Exception):
    """Something that the exchange, or the way to it, did. Its text is for people."""


class Refused(ExchangeError):
    """The exchange said no, and nothing came of the request. Sending the same again is no use."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


class KeyRejected(Refused):
    """The key, its rights or the signature are wrong: a person has to mend that."""


class NotFound(ExchangeError):
    """The exchange does not know the order. A fresh order may still appear: see traders.ask."""


class Throttled(ExchangeError):
    """Too many requests or orders; nothing came of this one. Ask again after `wait_s` seconds."""

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class NotSent(ExchangeError):
    """The request never left: the exchange can't be reached, or it was too late to send it. Safe to try again."""


class OutcomeUnknown(ExchangeError):
    """The request may have been carried out or not. Ask by client order id before anything is sent again."""
