"""Opens bundles, checks their signatures and replays their references."""
