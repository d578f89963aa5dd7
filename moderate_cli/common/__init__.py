"""What every room may use: helpers that know nothing of moderation."""
