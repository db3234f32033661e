"""HTTP doors. A view reads, checks and hands over; what happens then is decided below."""
