"""`zerosum sandbox`: a processor to try payments on. It moves nothing, and fails in every way that a real one does."""
