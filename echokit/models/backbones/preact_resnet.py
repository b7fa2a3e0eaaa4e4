"""Pre-activation 3D ResNets of the reference study; the torch modules are in `preact_blocks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from echokit.errors import EchokitError

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape

SMALLEST_SIDE = 16  # the stem and three stages halve a picture four times


class PreActResNet:
    """Pre-activation 3D ResNet; subclasses set the depth.

    7x7x7 convolution of stride 2 with 64 filters, BN, ReLU, 3x3x3 max-pool of stride 1; four stages of 64,
    128, 256 and 512 filters, stages 2 to 4 halving time and space; BN, ReLU and global average pool at the
    end. Every convolution has a bias and the He normal initialisation of Keras; a shortcut is a bare 1x1x1 convolution
    where the shape changes, else the identity. Source: He et al. 2016, arXiv:1603.05027, in the form of the
    reference study.

    Three things follow torch instead of Keras. BN has momentum 0.1 and eps 1e-5, not 0.01 and 1e-3: after the 100
    to 1000 steps of a run on a small cohort, Keras's statistics would still hold up to 37 % of their initial
    values. The padding of strided convolutions is symmetric. Ties in the max-pool go to one position.

    Args:
        width: Filters of the stem; the four stages have 1, 2, 4 and 8 times as many. 64 in the reference study.
        dropout: CNN dropout: rate of single activations dropped between ReLU and convolution in every
            residual unit.
    """

    blocks: ClassVar[tuple[int, int, int, int]]
    bottleneck: ClassVar[bool]

    def __init__(
        self,
        *,
        width: Annotated[int, Field(ge=1, le=4096)] = 64,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        self.width = width
        self.dropout = dropout

    def __call__(self, shape: InputShape) -> nn.Module:
        """Build the backbone for one stream.

        Args:
            shape: Of the stream; its channels determine the weights, its size is only checked.

        Returns:
            A module mapping (B, C, T, H, W) float to (B, features), with ``features`` (8 times the
            width, or 32 times from depth 50 on).

        Raises:
            EchokitError: The clips are too small for the four halvings.
        """
        from echokit.models.backbones.preact_blocks import PreActResNet3D

        if min(shape.height, shape.width) < SMALLEST_SIDE or shape.frames < 1:
            raise EchokitError(
                f"clips of {shape.frames} frames of {shape.height}x{shape.width} pixels are too small for "
                f"{type(self).__name__}: the smallest is 1 frame of {SMALLEST_SIDE}x{SMALLEST_SIDE}",
                hint="give resize a larger size, or clip more frames",
                code="model.clip_too_small",
            )
        return PreActResNet3D(
            shape.channels, self.blocks, bottleneck=self.bottleneck, width=self.width, dropout=self.dropout
        )


class ResNet18(PreActResNet):
    """Pre-activation 3D ResNet-18 of the study: 512 features, 33M parameters."""

    blocks = (2, 2, 2, 2)
    bottleneck = False


class ResNet34(PreActResNet):
    """Pre-activation 3D ResNet-34: 512 features, 64 million parameters a stream."""

    blocks = (3, 4, 6, 3)
    bottleneck = False


class ResNet50(PreActResNet):
    """Pre-activation 3D ResNet-50: 2048 features, 46 million parameters a stream."""

    blocks = (3, 4, 6, 3)
    bottleneck = True


class ResNet101(PreActResNet):
    """Pre-activation 3D ResNet-101: 2048 features, 85 million parameters a stream."""

    blocks = (3, 4, 23, 3)
    bottleneck = True


class ResNet152(PreActResNet):
    """Pre-activation 3D ResNet-152 of the study: 2048 features, 117M parameters."""

    blocks = (3, 8, 36, 3)
    bottleneck = True
