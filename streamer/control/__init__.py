"""What steers streams from outside: commands in, events out."""
