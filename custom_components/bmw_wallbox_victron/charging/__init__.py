"""What the limit is to be at each moment: pure, and knows no Home Assistant."""
