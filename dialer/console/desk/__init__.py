"""The page of who calls: card, call, outcome, live."""
