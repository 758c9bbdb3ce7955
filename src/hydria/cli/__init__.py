"""The hydria command."""
