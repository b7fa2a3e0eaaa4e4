"""Video ResNet-18s of torchvision: 3D, mixed 3D and 2D, and factorised R(2+1)D."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echokit.models.backbones.from_library import FromTorchvision

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape


class VideoResNet(FromTorchvision):
    """Video ResNet-18 of torchvision; subclasses set the convolutions.

    Source: Tran et al. 2018, A closer look at spatiotemporal convolutions for action recognition, arXiv:1711.11248.
    """

    def build(self, shape: InputShape) -> nn.Module:
        """Build the network for the channels of the shape."""
        from torch import nn
        from torchvision.models import get_model

        from echokit.models.backbones.library import LibraryBackbone, take_channels

        body = get_model(self.model_name, weights=None)
        features = body.fc.in_features
        body.fc = nn.Identity()
        take_channels(body, shape.channels)
        return LibraryBackbone(body, features)


class R3D18(VideoResNet):
    """3D ResNet-18: 512 features, 33 million parameters a stream."""

    model_name = "r3d_18"


class MC318(VideoResNet):
    """Mixed 3D and 2D convolutions (MC3-18): 512 features, 11M parameters."""

    model_name = "mc3_18"


class R2Plus1D18(VideoResNet):
    """R(2+1)D-18, the backbone of EchoNet-Dynamic: 512 features.

    31 million parameters a stream.
    """

    model_name = "r2plus1d_18"
