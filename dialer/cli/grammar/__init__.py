"""The words and options of the commands, by subject."""
