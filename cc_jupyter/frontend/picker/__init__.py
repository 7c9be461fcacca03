"""The model picker: its widget, its rows, favourites and the `%cmd pick` command."""
