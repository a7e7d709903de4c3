"""Reading it back: cards, lists, one's own day, and who sees what."""
