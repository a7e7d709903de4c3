"""Calls: legs, operator lines, results; one owner for each call in progress."""
