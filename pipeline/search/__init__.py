"""Search by Hamming distance among things that a model has encoded."""
