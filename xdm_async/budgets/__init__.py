"""Rate-limit arithmetic; the caller says what time it is."""
