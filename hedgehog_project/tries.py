"""Wrong passwords: how long the next try has to wait."""

# So many in a row are mistakes. From then on each makes the next wait for twice as long.
FREE_TRIES = 5
FIRST_WAIT_S, MAX_WAIT_S = 60.0, 15 * 60.0


def wait_s(failures: int, since_last_s: float) -> float:
    """Seconds until another try is looked at, after so many wrong ones in a row; 0 where it is at once.

    Bounded by its own length, whatever the clock has done since the last one.
    """
    if failures < FREE_TRIES:
        return 0.0
    whole_s = min(MAX_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - FREE_TRIES, 10))
    return min(whole_s, max(0.0, whole_s - since_last_s))


def in_words(wait: float) -> str:
    """For people."""
    minutes = -(-int(wait) // 60)
    how_long = "a minute" if minutes <= 1 else f"{minutes} minutes"
    return f"Too many wrong passwords. Wait {how_long} before the next try."
