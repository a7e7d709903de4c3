"""E-mail: the messages as they are sent, the talk with the mail server, and who sends what is due."""
