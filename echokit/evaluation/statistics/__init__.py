"""Statistical methods behind the metrics: intervals, ranks, null distributions."""
