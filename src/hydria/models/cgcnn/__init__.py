"""Crystal graph convolutions."""

from hydria.models.cgcnn.stack import CGCNNStack

__all__ = ["CGCNNStack"]
