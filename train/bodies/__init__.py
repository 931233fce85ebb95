"""A small fully convolutional network that marks the bodies of leucocytes."""
