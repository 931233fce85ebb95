"""This folder builds signed packs that install without a network."""
