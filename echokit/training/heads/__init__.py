"""Train many heads at once on the features of a frozen backbone."""
