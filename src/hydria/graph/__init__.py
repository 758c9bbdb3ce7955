"""Neighbour lists and batches of graphs."""
