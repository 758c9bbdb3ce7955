"""Sites, plans, checks, job scripts and submission; needs no torch."""
