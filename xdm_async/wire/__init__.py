"""What crosses the network, without touching the network."""
