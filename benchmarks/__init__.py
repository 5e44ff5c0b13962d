"""How fast popsim is, how much memory it needs, how long it takes to start: `make bench`."""
