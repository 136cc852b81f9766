// Package vec has the inner loops over torus words that are not transforms: the products of key switching, modulo 2^32, and sums and multiples of
// polynomials, modulo 2^64. Integer arithmetic, so that every implementation gives the same words.
package vec
