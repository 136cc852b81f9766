# inputs: 'x: uint3[2]'
import numpy as np

PROTOTYPES = np.array([[1, 6], [5, 2], [6, 6]])


def main(x):
    distance = np.sum(np.abs(x - PROTOTYPES), axis=1)
    return np.argmin(distance)
