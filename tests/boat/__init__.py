"""The simulated boat."""
