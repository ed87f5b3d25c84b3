"""Public: fakes, port contract suites, and the pytest plugin that users' projects get."""
