"""Base classes of backbones from model libraries, imported when built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor, nn

    from echokit.models.input_shape import InputShape


class FromLibrary(ABC):
    """A library backbone, without its head, for any number of channels.

    Attributes:
        model_name: Name in the registry.
    """

    model_name: ClassVar[str]

    def __call__(self, shape: InputShape) -> nn.Module:
        """Build the backbone for one stream.

        Args:
            shape: Of the stream, the same for every clip.

        Returns:
            A module mapping (B, C, T, H, W) float to (B, features), with ``features``.

        Raises:
            EchokitError: The clips do not fit the model; the message names a size that does.
        """
        from echokit.models.backbones.library import build_checked

        return build_checked(self.build, shape, self.title)

    def pretrained(self, tag: str) -> dict[str, Tensor]:
        """Load pretrained weights of the library, under its tensor names.

        Args:
            tag: Name of the weights in the library, in lower case; ``pretrained`` means the default ones.

        Raises:
            EchokitError: There is no such tag, or the download fails.
        """
        from echokit.models.backbones.library import load_pretrained

        return load_pretrained(self.title, tag, self.tags())

    @property
    def title(self) -> str:
        """Return the name for messages."""
        return self.model_name

    @abstractmethod
    def build(self, shape: InputShape) -> nn.Module:
        """Build the backbone without checking the shape."""

    @abstractmethod
    def tags(self) -> Mapping[str, Callable[[], Mapping[str, Tensor]]]:
        """Return a loader for each of the library's pretrained weights, the default first."""


class FromTorchvision(FromLibrary):
    """A video model of torchvision; ``model_name`` is its name there too."""

    def tags(self) -> Mapping[str, Callable[[], Mapping[str, Tensor]]]:
        """Return the weights of torchvision, such as ``kinetics400_v1``."""
        from functools import partial

        from torchvision.models import get_model_weights

        known_weights = get_model_weights(self.model_name)
        default = known_weights.DEFAULT
        ordered = [default, *(weights for weights in known_weights if weights is not default)]
        return {weights.name.lower(): partial(weights.get_state_dict, check_hash=True) for weights in ordered}


class FromPytorchvideo(FromLibrary):
    """A model of pytorchvideo.

    Attributes:
        zoo: Pairs of a tag and a file of the model zoo.
    """

    zoo: ClassVar[tuple[tuple[str, str], ...]]

    def __call__(self, shape: InputShape) -> nn.Module:
        """Build the backbone for one stream; see `FromLibrary`."""
        import warnings

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            import pytorchvideo.models  # noqa: F401 - uses deprecated parts of torch
        return super().__call__(shape)

    def tags(self) -> Mapping[str, Callable[[], Mapping[str, Tensor]]]:
        """Return the weights of pytorchvideo's model zoo."""
        from functools import partial

        from echokit.models.backbones.library import download_zoo_weights

        return {tag: partial(download_zoo_weights, file) for tag, file in self.zoo}
