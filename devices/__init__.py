"""Board profiles, detection, estimates, doctor and offline installers; may import runtime."""
