"""How the service is: what is found, how each of it is judged, and the one answer that is made of that."""
