"""What the tests share: the scripted provider, harnesses, samples; none of it is a test."""
