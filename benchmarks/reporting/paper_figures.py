"""Accuracy that the paper reports for the six models; data only."""

from __future__ import annotations

# "Comparative Analysis of CNN Models for ALL Diagnosis": accuracy in per cent, as reported. The
# same paper prints confusion matrices with all of its 22 test images right.
REPORTED = {
    "densenet201": 94.30,
    "resnet101v2": 92.50,
    "inceptionv3": 92.00,
    "mobilenetv2": 91.00,
    "vgg19": 90.10,
    "vgg16": 89.23,
}
TEST_IMAGES = 22
