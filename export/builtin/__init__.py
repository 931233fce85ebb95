"""Makes the bundle that the package contains, from the maintainers' copies of its data sets."""
