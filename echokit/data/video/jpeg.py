"""JPEG images as frames, decoded and refused alike in AVI and DICOM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from echokit.data.video.dicom_fragments import jpeg_has_both_ends

if TYPE_CHECKING:
    from av import VideoFrame

# A comment in a JPEG can state that its range is not full (yuv, not yuvj); its planes are taken as they are stored.
_FORMATS = {"gray", "gbrp", *(f"{yuv}{kind}p" for yuv in ("yuvj", "yuv") for kind in (420, 422, 444, 440, 411))}


class JpegDecoder:
    """Decodes the 8-bit JPEG images of one clip, and refuses damaged ones.

    Nothing in a JPEG shows whether its bytes are those that were written. Of the available decoders libav's notices the
    most: where three bytes of a frame are overwritten, half of the frames that libjpeg would patch.

    Args:
        max_pixels: Most pixels of an image.
    """

    def __init__(self, max_pixels: int) -> None:
        import av

        self._context = av.CodecContext.create("mjpeg", "r")
        self._context.thread_count = 1
        self._context.options = {"max_pixels": str(max_pixels), "err_detect": "explode"}

    def __call__(self, data: bytes) -> VideoFrame:
        """Decode one image.

        Raises:
            ValueError: It is not whole, or not of one or three components of 8 bits.
            av.FFmpegError: It is damaged.
        """
        import av

        if not jpeg_has_both_ends(data):
            raise ValueError("the image is not whole")  # libav would give what it has, and grey if it has nothing
        frames = self._context.decode(av.Packet(data))
        if len(frames) != 1 or frames[0].format.name not in _FORMATS:
            raise ValueError("not one image of 8 bits")
        return frames[0]
