"""What makes the pictures of the documentation, from `docs/brand` and from a demo."""
