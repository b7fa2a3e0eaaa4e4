"""torchvision's 3D ResNets of 18 layers: whole 3D, mixed, and split into space and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor, nn

    from echokit.models.shape import InputShape


class VideoResNet:
    """A 3D ResNet of torchvision with 18 layers and 512 features; its subclasses say how space and time are convolved.

    Source: Tran et al. 2018, A closer look at spatiotemporal convolutions for action recognition, arXiv:1711.11248.
    """

    name: ClassVar[str]

    def __call__(self, shape: InputShape) -> nn.Module:
        """Build the backbone for one stream.

        Args:
            shape: Of the stream; its channels fix the weights, its size is only checked.

        Returns:
            A module mapping (B, C, T, H, W) float to (B, 512), with ``features``.

        Raises:
            EchokitError: The clips are too small.
        """
        from torch import nn
        from torchvision.models import get_model

        from echokit.models.library import LibraryBackbone, fitting, take_channels

        def make(shape: InputShape) -> nn.Module:
            body = get_model(self.name, weights=None)
            features = body.fc.in_features
            body.fc = nn.Identity()
            take_channels(body, shape.channels)
            return LibraryBackbone(body, features)

        return fitting(make, shape, self.name)

    def pretrained(self, tag: str) -> dict[str, Tensor]:
        """Trained weights of the library by tag: ``kinetics400_v1``.

        Raises:
            EchokitError: There is no such tag, or no network.
        """
        from echokit.models.library import torchvision_weights

        return torchvision_weights(self.name, tag)


class R3D18(VideoResNet):
    """torchvision's 3D ResNet with 18 layers: 512 features, 33 million parameters a stream."""

    name = "r3d_18"


class MC318(VideoResNet):
    """torchvision's mixed ResNet, 3D early and 2D later: 512 features, 11 million parameters a stream."""

    name = "mc3_18"


class R2Plus1D18(VideoResNet):
    """torchvision's R(2+1)D with 18 layers, the backbone of echonet/dynamic: 512 features, 31 million parameters."""

    name = "r2plus1d_18"
