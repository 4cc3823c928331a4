"""The same examples in every run: what CI finds, everybody finds."""

import hypothesis

# Chosen by the tests of this folder with @settings(parent=BOUNDED); a failure prints the blob that repeats it.
BOUNDED = hypothesis.settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
