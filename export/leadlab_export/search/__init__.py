"""Which student: rates, widths, depths and kernels tried alike, and what each costs."""
