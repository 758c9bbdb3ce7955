"""Stop when the validation loss has not fallen for some epochs."""

from __future__ import annotations

from typing import Any


class EarlyStop:
    """Counts epochs without a better loss.

    Args:
        patience: how many of them in a row end the training; None never does.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.reset()

    def reset(self) -> None:
        """Begin anew, because losses mean something else from here on."""
        self.best, self.waited = float("inf"), 0

    def update(self, loss: float) -> bool:
        """Take the loss of an epoch; True when it is time to stop."""
        if loss < self.best:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.exhausted

    @property
    def exhausted(self) -> bool:
        """Whether the patience is at its end."""
        return self.patience is not None and self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited = state["best"], state["waited"]
