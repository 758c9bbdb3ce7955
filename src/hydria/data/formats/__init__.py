"""Readers of raw data, one file per format."""
