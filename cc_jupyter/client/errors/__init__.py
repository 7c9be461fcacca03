"""What went wrong with a request: error bodies, waits and endings, as errors with hints.

`provider_errors.classify` judges a refusal; `endings` says what each reason for the end means.
"""
