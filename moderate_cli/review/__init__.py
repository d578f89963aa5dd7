"""The review: a person looks at what was found, one result at a time, and decides; on a page or in the terminal."""

from moderate_cli.review.queue import Action, Desk, Progress, ReviewQueue, Tally

__all__ = ["Action", "Desk", "Progress", "ReviewQueue", "Tally"]
