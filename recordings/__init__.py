"""Recordings of calls: written crash-safe while the call lasts, finished and checked after it, kept in a store."""
