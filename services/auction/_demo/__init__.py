"""What `holdfast demo auction` is made of. All of it speaks to the system from outside."""
