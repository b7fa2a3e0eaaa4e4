"""Augmentations that only some labs need: BackMix, mixup and speckle noise."""

from echokit import hookimpl


@hookimpl
def echokit_components(register):
    """Register the classes by name, so that they are imported only when they are used."""
    register.augmentation("backmix", "echokit_augment.backmix:BackMix", summary="the background of another clip")
    register.augmentation("mixup", "echokit_augment.mixup:Mixup", summary="mix clips and their targets")
    register.augmentation("speckle", "echokit_augment.speckle:Speckle", summary="multiplicative speckle noise")
