"""Image models of timm on every frame, with pooling over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from echokit.errors import EchokitError, did_you_mean
from echokit.models.backbones.from_library import FromLibrary

if TYPE_CHECKING:
    from torch import Tensor, nn

    from echokit.models.input_shape import InputShape


class Timm(FromLibrary):
    """Image model of timm on every frame, followed by pooling over time.

    Source: Wightman 2019, PyTorch image models. A transformer is built for the size of the clips.

    Args:
        name: In timm: ``resnet18``, ``convnext_tiny``, ``vit_small_patch16_224``, ...
        pooling: mean or max over the frames, attention (a learned weight for each), or lstm (depends on their order).
        hidden: Hidden size of the LSTM; of no effect otherwise.
        stochastic_depth: Rate at which the last block is skipped in training, if the model supports it; null: timm's
            default.
    """

    model_name = "timm"

    def __init__(
        self,
        *,
        name: str = "resnet18",
        pooling: Literal["mean", "max", "attention", "lstm"] = "mean",
        hidden: Annotated[int, Field(ge=1, le=65_536)] = 256,
        stochastic_depth: Annotated[float, Field(ge=0, lt=1)] | None = None,
    ) -> None:
        self.name = name
        self.pooling = pooling
        self.hidden = hidden
        self.stochastic_depth = stochastic_depth

    def __call__(self, shape: InputShape) -> nn.Module:
        """Build the backbone for one stream; see `FromLibrary`.

        Raises:
            EchokitError: timm has no such model, or the clips do not fit it.
        """
        import timm

        if not timm.is_model(self.name):
            raise EchokitError(
                f"timm has no model {self.name!r}",
                hint=did_you_mean(self.name, timm.list_models()) or "timm.list_models() names them",
                where="model.backbone.name",
                code="timm.unknown_model",
            )
        return super().__call__(shape)

    @property
    def title(self) -> str:
        """Return ``timm`` and the model's name."""
        return f"timm's {self.name}"

    def build(self, shape: InputShape) -> nn.Module:
        """Build the model; a transformer for exactly this picture size."""
        import timm

        from echokit.models.backbones.frame_by_frame import FrameByFrame
        from echokit.models.backbones.library import LibraryBackbone

        options: dict[str, Any] = {"in_chans": shape.channels, "num_classes": 0}
        published = timm.get_pretrained_cfg(self.name)
        if published is not None and published.fixed_input_size:
            options["img_size"] = (shape.height, shape.width)
        if self.stochastic_depth is not None:
            options["drop_path_rate"] = self.stochastic_depth
        image: Any = timm.create_model(self.name, pretrained=False, **options)
        features = int(getattr(image, "head_hidden_size", None) or image.num_features)
        body = FrameByFrame(image, self._pool(features))
        return LibraryBackbone(body, self.hidden if self.pooling == "lstm" else features)

    def tags(self) -> Mapping[str, Callable[[], Mapping[str, Tensor]]]:
        """Return the weights of timm for the model, its default first."""
        from functools import partial

        import timm

        def load(tag: str) -> Mapping[str, Tensor]:
            state: Mapping[str, Tensor] = timm.create_model(f"{self.name}.{tag}", pretrained=True).state_dict()
            return state

        known_tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{self.name}.*")]
        published = timm.get_pretrained_cfg(self.name)
        default = published.tag if published is not None else None
        return {tag: partial(load, tag) for tag in sorted(known_tags, key=lambda tag: tag != default)}

    def _pool(self, features: int) -> nn.Module:
        from echokit.models.backbones.frame_by_frame import AttentionOverTime, LstmOverTime, MaxOverTime, MeanOverTime

        match self.pooling:
            case "mean":
                return MeanOverTime()
            case "max":
                return MaxOverTime()
            case "attention":
                return AttentionOverTime(features)
        return LstmOverTime(features, self.hidden)
