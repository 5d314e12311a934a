"""From metrics to what people look at: tables beside the paper's numbers, curves, a report."""
