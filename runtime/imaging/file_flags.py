"""Flags of a decoded file: why a person should look at an image that was read."""

from __future__ import annotations

ASSUMED_RANGE = "assumed_range"  # samples of more than 8 bits do not use their range
ASSUMED_COLOUR = "assumed_colour"  # the file contradicts itself about its colours
DAMAGED = "damaged"  # a part may be overwritten, and the format has no checksum
SEVERAL_IMAGES = "several_images"  # the first of several pictures is judged

# Another picture of a file with a smaller share of the pixels is a thumbnail, a label or a level of
# a pyramid: levels have at most a quarter.
SHARE_OF_OTHER_PICTURE = 0.3
