"""GraphSAGE."""

from hydria.models.sage.stack import SAGEStack

__all__ = ["SAGEStack"]
