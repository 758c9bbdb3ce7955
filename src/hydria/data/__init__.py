"""Formats, stores, splits and preparation of data sets."""
