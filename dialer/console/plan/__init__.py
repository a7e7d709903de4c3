"""The plan of the day, for all and for each."""
