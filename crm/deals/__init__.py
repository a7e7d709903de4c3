"""Deals with clients: stages, sums, dates, and why one was lost."""
