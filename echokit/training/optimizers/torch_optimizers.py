"""The usual optimizers of torch in their fused form, with checked parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

if TYPE_CHECKING:
    from torch.optim import Optimizer

Groups = Sequence[dict[str, Any]]
Beta = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]


class Adam:
    """Adam; weight decay is added to the gradient (Kingma and Ba 2015).

    Args:
        betas: Decay of the averages of the gradient and of its square.
        eps: Added to the root of the averaged square.
        amsgrad: Divide by the largest average of the square so far (Reddi et al. 2018).
    """

    def __init__(
        self, *, betas: tuple[Beta, Beta] = (0.9, 0.999), eps: NotNegative = 1e-8, amsgrad: bool = False
    ) -> None:
        self.betas, self.eps, self.amsgrad = betas, eps, amsgrad

    def __call__(self, groups: Groups, *, lr: float, weight_decay: float) -> Optimizer:
        """Create the optimizer of some groups of parameters."""
        from torch.optim import Adam

        return Adam(groups, lr, self.betas, self.eps, weight_decay, self.amsgrad, fused=True)


class AdamW(Adam):
    """Adam; weight decay is decoupled from the gradient (Loshchilov and Hutter 2019)."""

    def __call__(self, groups: Groups, *, lr: float, weight_decay: float) -> Optimizer:
        """Create the optimizer of some groups of parameters."""
        from torch.optim import AdamW

        return AdamW(groups, lr, self.betas, self.eps, weight_decay, self.amsgrad, fused=True)


class SGD:
    """Stochastic gradient descent; weight decay is added to the gradient.

    Args:
        momentum: Decay of the average of the gradients; 0 for none.
        dampening: Fraction of a new gradient that does not enter the average.
        nesterov: Nesterov's momentum; needs momentum and no dampening.
    """

    def __init__(self, *, momentum: NotNegative = 0.0, dampening: float = 0.0, nesterov: bool = False) -> None:
        if nesterov and (not momentum or dampening):
            raise ValueError("nesterov needs a momentum and no dampening")
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov

    def __call__(self, groups: Groups, *, lr: float, weight_decay: float) -> Optimizer:
        """Create the optimizer of some groups of parameters."""
        from torch.optim import SGD

        return SGD(groups, lr, self.momentum, self.dampening, weight_decay, self.nesterov, fused=True)
