"""A mask for echokit that finds the ultrasound sector by its geometry."""

from echokit import hookimpl


@hookimpl
def echokit_components(register):
    """Register the class by name, so that it is imported only when it is used."""
    register.mask(
        "fan_mask",
        "echokit_sector_mask.mask:FanMask",
        summary="keep the ultrasound sector, found by its edges and arcs",
    )
