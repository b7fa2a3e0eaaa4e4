"""torchvision's 3D ResNets of 18 layers: whole 3D, mixed, and split into space and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echokit.models.from_library import FromTorchvision

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.shape import InputShape


class VideoResNet(FromTorchvision):
    """A 3D ResNet of torchvision with 18 layers and 512 features; its subclasses say how space and time are convolved.

    Source: Tran et al. 2018, A closer look at spatiotemporal convolutions for action recognition, arXiv:1711.11248.
    """

    def make(self, shape: InputShape) -> nn.Module:
        """Build it; the shape's channels fix the weights."""
        from torch import nn
        from torchvision.models import get_model

        from echokit.models.library import LibraryBackbone, take_channels

        body = get_model(self.called, weights=None)
        features = body.fc.in_features
        body.fc = nn.Identity()
        take_channels(body, shape.channels)
        return LibraryBackbone(body, features)


class R3D18(VideoResNet):
    """torchvision's 3D ResNet with 18 layers: 512 features, 33 million parameters a stream."""

    called = "r3d_18"


class MC318(VideoResNet):
    """torchvision's mixed ResNet, 3D early and 2D later: 512 features, 11 million parameters a stream."""

    called = "mc3_18"


class R2Plus1D18(VideoResNet):
    """torchvision's R(2+1)D with 18 layers, the backbone of echonet/dynamic: 512 features, 31 million parameters."""

    called = "r2plus1d_18"
