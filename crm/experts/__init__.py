"""Clients who are handed to experts: to whom, until when, and what became of it."""
