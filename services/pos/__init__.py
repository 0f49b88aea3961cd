"""Point of sale: one `pos-session` entity per location, and one `pos-account` for each account of a customer."""
