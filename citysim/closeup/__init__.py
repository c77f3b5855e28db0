"""What only large photos show: shapes that a world is built of, and how `materials` paints them."""
