"""The base: organisations with people, numbers and addresses; who must not be called; who looks like whom."""
