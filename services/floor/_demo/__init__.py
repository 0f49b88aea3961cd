"""What `holdfast demo restaurant` is made of. All of it speaks to the system from outside."""
