"""The grammar of the option line: its words and the values of options."""
