"""Where results go: a file of lines, a live terminal view, plain lines."""
