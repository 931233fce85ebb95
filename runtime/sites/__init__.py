"""Site profiles: what a device knows of its own microscope; numpy, Pillow and click only."""
