"""Clients one by one and many at once: looking up, entering, changing, merging, erasing."""
