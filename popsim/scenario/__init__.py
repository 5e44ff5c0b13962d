"""What the user writes: scenarios, their units and distributions, and what is wrong with them."""
