"""One coroutine per API call: what to ask, and how the answer reads."""
