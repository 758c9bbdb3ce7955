"""Ranks, process groups, collectives, status and stop requests."""
