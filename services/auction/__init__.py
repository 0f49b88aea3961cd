"""Auctions: one `auction` entity per lot."""
