"""What the service counts: each metric is declared once, and everything else follows from that."""
