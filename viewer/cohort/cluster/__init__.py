"""A Ray cluster as another executor of batches.

`executor` is the side of the program; `link`, a process of its own, alone holds Ray and its
connections; `task` is what a worker of the cluster does: start `coverslip run` and listen.
"""
