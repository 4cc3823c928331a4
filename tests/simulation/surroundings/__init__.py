"""What the traders of a world live in: time, a market, an exchange behind a bad line, people, and stand-ins."""
