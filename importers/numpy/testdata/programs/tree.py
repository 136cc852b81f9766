# inputs: 'x: uint7[4]'
import numpy as np


def main(x):
    return np.where(x[2] <= 40,
                    np.where(x[0] <= 12, 5, np.where(x[3] > 90, -2, 7)),
                    np.where(x[1] < 64, np.where(x[2] <= 80, 11, 3), 0))
