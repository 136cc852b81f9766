# inputs: 'x: uint4[6]'
import numpy as np

W1 = np.array([[2, -1, 0, 3, 1, -2], [-1, 2, 2, 0, -3, 1], [1, 1, -1, -1, 2, 0], [0, -2, 3, 1, -1, 1]])
B1 = np.array([4, -6, 0, 3])
W2 = np.array([[1, -2, 3, 1], [-1, 1, 1, 2], [2, 0, -1, -3]])


def main(x):
    hidden = np.maximum(W1 @ x + B1, 0) // 8
    return np.rint(16 * np.tanh((W2 @ hidden) / 12)).astype(np.int64)
