"""Architectures and heads."""
