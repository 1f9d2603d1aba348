"""What the integration costs, and what it shows for that: `scripts/bench`."""
