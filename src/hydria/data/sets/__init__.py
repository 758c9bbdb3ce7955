"""Data sets that Hydria makes, brings along or fetches: a file each, and a line in `catalog`."""
