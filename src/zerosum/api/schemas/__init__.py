"""What goes over the wire, described field by field: `/docs` is made of this."""
