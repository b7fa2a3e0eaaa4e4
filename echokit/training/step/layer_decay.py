"""Layer-wise learning rate decay: blocks of a backbone in the order of the forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from echokit.training.model_parts import in_part

Steps = tuple[str, ...]

_NESTED = ("blocks", "layers")  # names of the list of blocks in a stage: stages.0.blocks.1, blocks.2.res_blocks.0
_PARALLEL = "multipathway_blocks"  # the parallel pathways of pytorchvideo


def layer_scales(names: Sequence[str], decay: float) -> dict[str, float]:
    """Compute the factor of each parameter's learning rate.

    It is 1 for the head, ``decay`` for the layer below it, and so on. A layer is a block of a stage (``stages.3.0``).
    Modules before the first block (the stem), between two stages, and after the last block (a norm, pooling over time)
    are one layer each. The layers of a backbone without numbered blocks are its children. The backbone of each stream
    is counted separately. Source: Clark et al. 2020 (ELECTRA).

    Args:
        names: Names of the parameters, in the order of the forward pass.
        decay: Factor from one layer to the one below it.
    """
    trunks: dict[Steps, dict[str, Steps]] = {}
    for name in names:
        if not in_part(name, "head"):
            steps = tuple(name.split("."))
            below = 3 if steps[:2] == ("fused", "backbones") else 0
            trunks.setdefault(steps[:below], {})[name] = _without_pathway(steps[below:])
    scales = dict.fromkeys(names, 1.0)
    for inside in trunks.values():
        layers = _layers(list(inside.values()))
        top = max(layers) + 1
        scales |= {name: decay ** (top - layer) for name, layer in zip(inside, layers, strict=True)}
    return scales


def _layers(parameters: Sequence[Steps]) -> list[int]:
    """Number the layer of each parameter of one backbone, from 0 at the input."""
    blocks = _without_stages({block for steps in parameters if (block := _block(steps))})
    shared = _shared_prefix(parameters)
    numbers: dict[tuple[str, Steps], int] = {}
    last: Steps = ()
    layers = []
    for steps in parameters:
        block = next((steps[:length] for length in range(1, len(steps)) if steps[:length] in blocks), ())
        last = block or last
        key = ("block", block) if block else ("after", last) if blocks else ("child", steps[: shared + 1])
        layers.append(numbers.setdefault(key, len(numbers)))
    return layers


def _block(steps: Steps) -> Steps:
    """Return the path to a parameter's block: a numbered module with submodules."""
    for index, step in enumerate(steps[:-2]):
        if step.isdigit():
            if steps[index + 1].isdigit() and not steps[index + 2].isdigit() and len(steps) > index + 3:
                return steps[: index + 2]
            if steps[index + 1].endswith(_NESTED) and steps[index + 2].isdigit() and len(steps) > index + 4:
                return steps[: index + 3]
            return steps[: index + 1]
    return ()


def _without_stages(blocks: set[Steps]) -> set[Steps]:
    """Remove stages, which are blocks that contain other blocks."""
    stages = {block for block, following in pairwise(sorted(blocks)) if following[: len(block)] == block}
    return blocks - stages


def _without_pathway(steps: Steps) -> Steps:
    if _PARALLEL in steps:
        index = steps.index(_PARALLEL)
        return steps[:index] + steps[index + 2 :]
    return steps


def _shared_prefix(parameters: Iterable[Steps]) -> int:
    """Count the leading steps that all paths share."""
    shared = 0
    for steps in zip(*(path[:-1] for path in parameters), strict=False):
        if len(set(steps)) > 1:
            break
        shared += 1
    return shared
