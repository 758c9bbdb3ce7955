"""Where stores are kept: one file per kind, all written piece by piece and opened by name."""
