"""What runs on a device, without tensorflow: numpy, Pillow, click and one engine."""
