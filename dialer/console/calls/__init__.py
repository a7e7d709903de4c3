"""The calls that were made: outcome and its correction, recording."""
