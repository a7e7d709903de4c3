"""Deals: the sales book, the page of one deal, and what the office sets for them."""
