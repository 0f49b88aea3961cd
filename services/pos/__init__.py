"""Point of sale: one `pos-session` entity per location."""
