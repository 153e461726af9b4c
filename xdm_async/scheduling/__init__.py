"""When a request may leave."""
