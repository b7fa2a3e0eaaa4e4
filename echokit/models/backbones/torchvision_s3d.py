"""S3D of torchvision: an Inception network with convolutions factorised into space and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echokit.models.backbones.from_library import FromTorchvision

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape


class S3D(FromTorchvision):
    """Separable 3D Inception network (S3D): 1024 features, 8M parameters.

    Source: Xie et al. 2018, Rethinking spatiotemporal feature learning, arXiv:1712.04851. The batch-norm momentum
    is 0.1; with torchvision's 0.001 the statistics would still hold a third of their initial values after 1000 steps.
    """

    model_name = "s3d"

    def build(self, shape: InputShape) -> nn.Module:
        """Build the network for the channels of the shape."""
        from functools import partial

        from torch import nn
        from torchvision.models.video import s3d

        from echokit.models.backbones.library import LibraryBackbone, take_channels

        body = s3d(weights=None, norm_layer=partial(nn.BatchNorm3d, eps=1e-3, momentum=0.1))
        features = body.classifier[1].in_channels
        body.avgpool, body.classifier = nn.Identity(), nn.Identity()
        take_channels(body, shape.channels)
        return LibraryBackbone(body, features)
