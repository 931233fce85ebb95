"""Signed packs: offline installers that carry wheels, a bundle and an install script."""
