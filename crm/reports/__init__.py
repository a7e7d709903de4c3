"""Tables that are counted from the rows as they are: no figure is kept anywhere beside what it counts."""
