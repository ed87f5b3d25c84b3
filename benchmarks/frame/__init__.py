"""What every area of the benchmarks shares: environments, measuring, results, the page."""
