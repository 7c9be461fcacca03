"""Tools: the user's own functions, called by a model and run only with the user's consent."""
