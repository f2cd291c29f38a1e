"""Cuts boxes out of pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visualsearch.data.boxes import Boxes, clip_to_image, grow_to_aspect


def crop_boxes(
    image: Image.Image,
    boxes: Boxes,
    size: tuple[int, int],
    fit: str,
    mean_colour: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Crop and resize in one step, with antialiasing and sub-pixel corners.

    boxes: corners [N, 4], clipped to the image. size: (height, width). fit: "stretch" fills the
    crop with the box. "pad" and "surroundings" keep the box's aspect ratio: "pad" fills the rest
    with mean_colour; "surroundings" with the picture, and with mean_colour outside of it.
    Returns RGB pixels [N, height, width, 3].
    """
    height, width = size
    boxes = clip_to_image(boxes, *image.size)
    windows = boxes if fit == "stretch" else grow_to_aspect(boxes, width / height)
    # The part of each window that shows the picture.
    visible = clip_to_image(windows, *image.size) if fit == "surroundings" else boxes
    origins, sides = windows[:, :2], windows[:, 2:] - windows[:, :2]
    places = (visible - np.tile(origins, 2)) / np.tile(sides, 2) * [width, height, width, height]
    places = np.rint(places).astype(int)
    places[:, 2:] = np.maximum(places[:, 2:], places[:, :2] + 1)
    crops = np.empty((len(boxes), height, width, 3), np.uint8)
    corners = zip(visible.tolist(), places.tolist(), strict=True)
    for row, (box, (left, top, right, bottom)) in enumerate(corners):
        crop = image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=tuple(box))
        if crop.size != (width, height):
            shown, crop = crop, Image.new("RGB", (width, height), mean_colour)
            crop.paste(shown, (left, top))
        crops[row] = np.asarray(crop)
    return crops
