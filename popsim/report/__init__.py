"""Results to look at: tables in the terminal, figures."""
