"""What backbones around a library's model have in common: features, grey input, any size, trained weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from echokit.errors import EchokitError
from echokit.models.cost import without_numbers
from echokit.models.shape import InputShape
from echokit.models.transfer import fewer_channels
from echokit.models.weights import first_line

LONGEST, LARGEST = 64, 512  # frames and pixels up to which the smallest input is looked for
Make = Callable[[InputShape], nn.Module]

_BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
_DIVISORS = (2, 4, 8, 14, 16, 28, 32, 56, 64, 112, 224, 256)  # by which windows and patches divide a picture
_NO_FIT = (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError)


class LibraryBackbone(nn.Module):
    """A library's model without its head: (B, C, T, H, W) to (B, features).

    Args:
        body: Gives (B, features), or (B, features, ...) that is averaged over all that follows.
        features: Width of the answer.
    """

    def __init__(self, body: nn.Module, features: int) -> None:
        super().__init__()
        self.body = body
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out.flatten(2).mean(2) if out.ndim > 2 else out


def take_channels(model: nn.Module, channels: int, rgb: int = 3) -> None:
    """Let a model of RGB pictures take another number of channels, in place.

    The first convolution of three channels is replaced; its start is adapted as trained weights are.

    Args:
        model: Its modules are in the order in which they see the picture.
        channels: To take.
        rgb: Channels that the model takes now.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d | nn.Conv2d) and module.in_channels == rgb and module.groups == 1:
            with torch.no_grad():
                module.weight = nn.Parameter(fewer_channels(module.weight, channels).contiguous())
            module.in_channels = channels
            return
    raise ValueError(f"no convolution of {rgb} channels in {type(model).__name__}")


def fitting(make: Make, shape: InputShape, name: str) -> nn.Module:
    """Build a backbone and make sure that it takes the clips.

    It is asked and not guessed: a forward pass on shapes alone (the meta device) computes nothing. Where it fails, the
    smallest clip that passes is looked for in the same way. A picture must also have two pixels left to halve each
    time: below that, batch norms see single values, and gradients explode (1e16 in an r2plus1d_18 on 1x1 pixels).

    Args:
        make: Builds the backbone for a shape.
        shape: Of the clips.
        name: For the message.

    Raises:
        EchokitError: It does not take them; the message names the smallest that fits.
    """
    try:
        model = make(shape)
        normed = any(isinstance(module, _BATCH_NORMS) for module in model.modules())
        if normed and (shrinks := _shrinks(make, shape)) >= 2 * min(shape.height, shape.width):
            raise ValueError(f"it shrinks pictures {shrinks} times")
        _pass(model, shape)
    except _NO_FIT as error:
        raise _does_not_fit(make, shape, name, error) from None
    return model


def smallest_fit(make: Make, channels: int) -> InputShape | None:
    """The smallest square picture that passes through a model, and the fewest frames of it; None where none does."""

    def fits(frames: int, side: int) -> bool:
        shape = InputShape(channels, frames, side, side)
        try:
            _pass(_sketch(make, shape), shape)
        except _NO_FIT:
            return False
        return 2 * side > shrinks

    shrinks = _shrinks(make, InputShape(channels, LONGEST, LARGEST, LARGEST))
    least = shrinks // 2 + 1
    side = least if fits(LONGEST, least) else _least(lambda length: fits(LONGEST, length), LARGEST)
    if side is None:
        return None
    while side % 2 == 0 and fits(
        LONGEST, side // 2
    ):  # a picture that is cut into patches may need an even number of them
        side //= 2
    frames = _least(lambda length: fits(length, side), LONGEST)
    return None if frames is None else InputShape(channels, frames, side, side)


def _pass(model: nn.Module, shape: InputShape) -> None:
    """Send two clips through a model on shapes alone; raises where they do not pass."""
    clips = torch.empty(2, shape.channels, shape.frames, shape.height, shape.width, device="meta")
    with torch.no_grad():
        functional_call(model, without_numbers(model), (clips,))


def _sketch(make: Make, shape: InputShape) -> nn.Module:
    """Build a model without its numbers."""
    try:
        with torch.device("meta"):
            return make(shape)
    except (RuntimeError, NotImplementedError):  # its builder computes with tensors
        with torch.random.fork_rng(devices=[]):
            return make(shape).to("meta")


def _shrinks(make: Make, shape: InputShape) -> int:
    """How many times a picture has shrunk where a batch norm sees it smallest; 1 where there is no batch norm."""
    sides = [LARGEST]

    def see(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sides.append(inputs[0].shape[-1])

    large = InputShape(shape.channels, max(shape.frames, 1), LARGEST, LARGEST)
    model = _sketch(make, large)
    for module in model.modules():
        if isinstance(module, _BATCH_NORMS):
            module.register_forward_pre_hook(see)
    _pass(model, large)
    return LARGEST // min(sides)


def trained(name: str, tag: str, load: Mapping[str, Callable[[], Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """Load a library's trained weights, downloading them where the network allows.

    Args:
        name: Of the backbone.
        tag: What the recipe asks for; ``pretrained`` means the first there is.
        load: How each tag is loaded.

    Raises:
        EchokitError: The library has no such tag, or the download fails.
    """
    known = next(iter(load), tag) if tag == "pretrained" else tag if tag in load else f"{tag}_v1"
    if known not in load:
        raise EchokitError(
            f"there are no trained weights {tag!r} of {name}",
            hint=f"there are {', '.join(load)}, or a run (run:NAME), or a file" if load else "name a run or a file",
            where="model.weights",
        )
    try:
        return dict(load[known]())
    except Exception as error:  # every library has its own for a network that is not there
        raise EchokitError(
            f"the weights {known!r} of {name} can not be downloaded: {first_line(error)}",
            hint="where this machine has no network, download the file elsewhere and name it: model.weights: PATH.pth",
            where="model.weights",
        ) from error


def zoo_weights(file: str) -> Mapping[str, Tensor]:
    """Download one file of pytorchvideo's model zoo; nothing in it is run."""
    url = f"https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/{file}"
    content = torch.hub.load_state_dict_from_url(url, map_location="cpu", weights_only=True)
    tensors: Mapping[str, Tensor] = content["model_state"]
    return tensors


def patches(shape: InputShape, step: Sequence[int]) -> tuple[int, int, int]:
    """Into how many patches along time, height and width a clip is cut, the last ones padded."""
    lengths = (shape.frames, shape.height, shape.width)
    frames, height, width = (-(-length // one) for length, one in zip(lengths, step, strict=True))
    return frames, height, width


def _does_not_fit(make: Make, shape: InputShape, name: str, error: Exception) -> EchokitError:
    given = f"clips of {shape.frames} frames of {shape.height}x{shape.width} pixels"
    least = smallest_fit(make, shape.channels)
    if least is None or (
        shape.frames >= least.frames and min(shape.height, shape.width) >= least.height
    ):  # it is too small in no way
        if least is not None and (larger := _next_larger(make, shape)) is not None:
            return EchokitError(
                f"{name} can not take {given}: the next larger picture that it takes is {larger.height}x{larger.width}",
                hint="give resize that size",
            )
        return EchokitError(f"{name} can not take {given}: {first_line(error)}")
    return EchokitError(
        f"{given} are too small for {name}: the smallest is {least.frames} frame{'s' if least.frames > 1 else ''} of "
        f"{least.height}x{least.width}",
        hint="give resize a larger size, or clip more frames",
    )


def _next_larger(make: Make, shape: InputShape) -> InputShape | None:
    """A larger picture that passes, where windows or patches must divide it: sides rounded up to rounder numbers."""
    tried = {(shape.height, shape.width)}
    for step in _DIVISORS:
        height, width = (-(-side // step) * step for side in (shape.height, shape.width))
        if (height, width) in tried or max(height, width) > LARGEST:
            continue
        tried.add((height, width))
        larger = InputShape(shape.channels, shape.frames, height, width)
        try:
            _pass(_sketch(make, larger), larger)
        except _NO_FIT:
            continue
        return larger
    return None


def _least(fits: Callable[[int], bool], most: int) -> int | None:
    """The least number from 1 to ``most`` that fits, where all larger ones do too."""
    if fits(1):
        return 1
    if not fits(most):
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return low
