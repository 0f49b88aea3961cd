"""The six services, one folder each; they meet only through their contracts."""
