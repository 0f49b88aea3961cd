"""Floor management: one entity per restaurant floor, with its tables, parties, orders, kitchen, reservations and waitlist."""
