"""X3D of pytorchvideo: small networks of depthwise convolutions, expanded along one axis at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from echokit.models.backbones.from_library import FromPytorchvideo

if TYPE_CHECKING:
    from torch import nn

    from echokit.models.input_shape import InputShape


class X3D(FromPytorchvideo):
    """X3D with 2048 features; subclasses set depth and pretrained weights.

    XS, S and M are one network of 3 million parameters a stream, pretrained on 4 frames of 160 pixels, 13 of 160 and 16
    of 224; L is deeper. Source: Feichtenhofer 2020, X3D, arXiv:2004.04730.

    Args:
        width_factor: Multiplier of all filters.
        depth_factor: Multiplier of the blocks in a stage.
    """

    def __init__(
        self,
        *,
        width_factor: Annotated[float, Field(ge=0.5, le=100)] = 2.0,
        depth_factor: Annotated[float, Field(gt=0, le=100)] = 2.2,
    ) -> None:
        self.width_factor = width_factor
        self.depth_factor = depth_factor

    def build(self, shape: InputShape) -> nn.Module:
        """Build the network for the channels of the shape."""
        from collections import OrderedDict

        from pytorchvideo.models.x3d import create_x3d
        from torch import nn

        from echokit.models.backbones.library import LibraryBackbone

        body = create_x3d(input_channel=shape.channels, width_factor=self.width_factor, depth_factor=self.depth_factor)
        head = body.blocks[-1].pool  # projects, pools and projects again
        head.pool = nn.AdaptiveAvgPool3d(1)
        body.blocks[-1] = nn.Sequential(OrderedDict(pool=head))
        return LibraryBackbone(body, head.post_conv.out_channels)


class X3DXS(X3D):
    """X3D-XS: 2048 features, 3 million parameters a stream."""

    model_name = "x3d_xs"
    zoo = (("kinetics400", "kinetics/X3D_XS.pyth"),)


class X3DS(X3D):
    """X3D-S: 2048 features, 3 million parameters a stream."""

    model_name = "x3d_s"
    zoo = (("kinetics400", "kinetics/X3D_S.pyth"),)


class X3DM(X3D):
    """X3D-M: 2048 features, 3 million parameters a stream."""

    model_name = "x3d_m"
    zoo = (("kinetics400", "kinetics/X3D_M.pyth"),)


class X3DL(X3D):
    """X3D-L: 2048 features, 5 million parameters a stream."""

    model_name = "x3d_l"
    zoo = (("kinetics400", "kinetics/X3D_L.pyth"),)

    def __init__(
        self,
        *,
        width_factor: Annotated[float, Field(ge=0.5, le=100)] = 2.0,
        depth_factor: Annotated[float, Field(gt=0, le=100)] = 5.0,
    ) -> None:
        super().__init__(width_factor=width_factor, depth_factor=depth_factor)
