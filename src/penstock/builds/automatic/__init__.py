"""The automatic tests: what the features, pipelines and models of every project are asked on a sample."""
