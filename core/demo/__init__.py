"""The worked example of `./portal demo`."""
