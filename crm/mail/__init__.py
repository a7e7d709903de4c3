"""What goes out by e-mail: written down with the deed, sent later by the service."""
