"""A corpus of traces: what wallboxes said, and what Home Assistant showed of it."""
