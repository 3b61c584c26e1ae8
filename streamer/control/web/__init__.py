"""The page that shows and steers streams, its API, and who may use them."""
