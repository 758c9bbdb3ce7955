"""Building blocks that architectures share."""
