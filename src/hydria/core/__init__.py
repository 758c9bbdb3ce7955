"""Errors, registries, files and assets: standard library only."""
