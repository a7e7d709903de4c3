"""Offers by e-mail and fax: their templates, each sending, who wants none, and what came back."""
