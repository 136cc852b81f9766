package tfhe

import "github.com/fhe-ml/fhe-ml/tfhe/internal/vec"

// smallLWE is a ciphertext under the small key modulo 2^32: a key switch's noise is far above 2^-32, and half the bytes are half the time.
type smallLWE struct {
	words []uint32 // n mask words, the body, and zeros up to whole tiles of the key
	n     int
}

func newSmallLWE(n int) smallLWE { return smallLWE{words: make([]uint32, switchColumns(n)), n: n} }

func (ct *smallLWE) mask() []uint32 { return ct.words[:ct.n] }

func (ct *smallLWE) body() *uint32 { return &ct.words[ct.n] }

// switchTileCount is the number of tiles of the key-switching key.
func (p Parameters) switchTileCount() int { return switchColumns(p.lit.SmallDimension) / vec.Columns }

// switchRows is how many rows of a tile are used on all ciphertexts before the next: they stay in the second-level cache.
const switchRows = 512

// switchColumns is n+1 rounded up to whole tiles.
func switchColumns(n int) int { return (n + 1 + vec.Columns - 1) / vec.Columns * vec.Columns }

// coarseLog2Sigma is the least noise of a key-switching key that is kept modulo 2^24: 16 units of it.
const coarseLog2Sigma = -20

// kskBytes is the number of bytes of each word of the key-switching key, from its most significant one: three where the noise is far above 2^-24, which is a quarter less to
// read, and else four.
func (p Parameters) kskBytes() int {
	if p.lit.Log2SigmaLWE >= coarseLog2Sigma {
		return 3
	}
	return 4
}

// kskQuads is the number of quads of rows of the key-switching key, the last one filled up with zeros.
func (p Parameters) kskQuads() int { return (p.kskRows() + 3) / 4 }

// kskMemory is the size of the key-switching key in a server's memory.
func (p Parameters) kskMemory() int {
	return p.kskBytes() * 4 * p.kskQuads() * switchColumns(p.lit.SmallDimension)
}

// roundKSK rounds a word of the key-switching key to the bytes that are kept of it.
func (p Parameters) roundKSK(w uint32) uint32 {
	if p.kskBytes() == 3 {
		return (w + 1<<7) &^ 0xff
	}
	return w
}

// A digit is cut into limbs of limbLog bits, which multiply bytes.
const limbLog = 7

// kskLimbs is the number of limbs of a digit of the key switch: one, unless its base is very large.
func (p Parameters) kskLimbs() int { return (p.lit.KeySwitch.BaseLog + limbLog - 1) / limbLog }

// keySwitcher holds the results and the digits of as many ciphertexts as it switches at a time.
type keySwitcher struct {
	p      Parameters
	small  []smallLWE // [count]
	digits [][]int8   // [count][limbs][rows of whole quads]
	part   [][]int8   // [count] the digits of a chunk of rows
	dst    [][]uint32 // [count] a tile of each ciphertext
}

func newKeySwitcher(p Parameters, count int) keySwitcher {
	k := keySwitcher{p: p, part: make([][]int8, count), dst: make([][]uint32, count)}
	for range count {
		k.small = append(k.small, newSmallLWE(p.lit.SmallDimension))
		k.digits = append(k.digits, make([]int8, p.kskLimbs()*4*p.kskQuads()))
	}
	return k
}

// keySwitch sets the first of small to encryptions under the small key of what the ciphertexts of src (dimension kN) encrypt. The small key is the
// prefix of the big one, so only the last kN - n coefficients are switched: b - <a,s> keeps its first n terms as they are, rounded to 32 bits.
func (k *keySwitcher) keySwitch(key *ServerKey, src []LWECiphertext, pace *pace, id int) {
	k.begin(key, src)
	tiles := k.p.switchTileCount()
	for t := range tiles {
		k.switchTiles(key, k.small[:len(src)], k.digits, t, t+1)
		pace.step(id, t*paceLead) // no more than a tile ahead
	}
	pace.next(id, tiles*paceLead)
}

// begin writes the digits of the coefficients to be switched, and what is kept of the ciphertexts.
func (k *keySwitcher) begin(key *ServerKey, src []LWECiphertext) {
	n := k.p.lit.SmallDimension
	for i, ct := range src {
		small := &k.small[i]
		for c, a := range ct.Mask[:n] {
			small.words[c] = round32(a)
		}
		mean := k.decompose(k.digits[i], ct.Mask[n:], key.signs[n:])
		clear(small.words[n:])
		*small.body() = round32(ct.Body - mean)
	}
}

// switchTiles subtracts the products of digits and key rows in the tiles from <= t < to of the columns, plane by plane of the key's bytes. Ciphertexts are the inner
// loop, so that the key is read once for all of them. While one chunk of it is used the next is asked for.
func (k *keySwitcher) switchTiles(key *ServerKey, small []smallLWE, digits [][]int8, from, to int) {
	planes, limbs, rows := k.p.kskBytes(), k.p.kskLimbs(), 4*k.p.kskQuads()
	bound := 1 << (min(k.p.lit.KeySwitch.BaseLog, limbLog) - 1)
	size := rows * vec.Columns
	dst, part := k.dst[:len(small)], k.part[:len(small)]
	for t := from; t < to; t++ {
		for i, s := range small {
			dst[i] = s.words[t*vec.Columns:][:vec.Columns]
		}
		for plane := range planes {
			first := (t*planes + plane) * size
			for r := 0; r < rows; r += switchRows {
				last := min(r+switchRows, rows)
				chunk, ahead := key.ksk[first+r*vec.Columns:first+last*vec.Columns], key.ksk[first+last*vec.Columns:]
				ahead = ahead[:min(len(ahead), len(chunk))]
				for limb := range limbs {
					shift := uint(8*(4-planes+plane) + limbLog*limb)
					if shift > 31 {
						break
					}
					for i := range small {
						part[i] = digits[i][limb*rows+r : limb*rows+last]
					}
					vec.SubMulBytes(dst, part, chunk, shift, bound, ahead)
				}
			}
		}
	}
}

// decompose writes the digits of all coefficients and returns the mean that their rounding errors have under a key of mean sign/2: taking it out of the body
// (mean compensation, eprint 2025/809) leaves (kN-n) B^-2t / 48 of the rounding noise.
func (k *keySwitcher) decompose(digits []int8, mask []uint64, signs []int64) uint64 {
	g, limbs, rows := k.p.lit.KeySwitch, k.p.kskLimbs(), 4*k.p.kskQuads()
	cutter := newDigitCutter(g)
	var sum int64 // of sign_i e_i in units of 2^8 words: kN <= 2^14 terms below 2^(63-8) stay in range for B^t >= 2^6
	if limbs == 1 {
		for i, a := range mask {
			x, lowest, e := cutter.cut(a)
			sum += signs[i] * (e >> 8)
			row := digits[i*g.Levels:][:g.Levels]
			for j := len(row) - 1; j >= 0; j-- {
				row[j] = int8(int32(x&cutter.mask) - lowest)
				x >>= cutter.base & 63
			}
		}
		return uint64(sum << 7)
	}
	var wide [16]int32
	for i, a := range mask {
		sum += signs[i] * (keySwitchDigits(wide[:g.Levels], a, g) >> 8)
		for j, d := range wide[:g.Levels] {
			// Balanced limbs: the last takes what is left, which is at most half its base like the digit.
			at := i*g.Levels + j
			for limb := range limbs - 1 {
				low := (d+1<<(limbLog-1))&(1<<limbLog-1) - 1<<(limbLog-1)
				digits[limb*rows+at] = int8(low)
				d = (d - low) >> limbLog
			}
			digits[(limbs-1)*rows+at] = int8(d)
		}
	}
	return uint64(sum << 7)
}

func round32(x uint64) uint32 { return uint32((x + 1<<31) >> 32) }

// modulusSwitch writes ahat_i = g round(a_i 2mN/(g q)) mod 2mN for a table of g outputs (g = 1: every step), with a_i multiplied by the key's public sign so that the key is the
// non-negative block-binary one, and returns bhat. Rounding errors r_i meet key bits of mean P = 1/(block+1): P sum r_i is subtracted from the body
// (centred modulus switch, eprint 2025/809), the table's shift is added, and the body is floored, which the boxes of a table are aligned to.
func (key *ServerKey) modulusSwitch(ahat []int, ct *smallLWE, table *LookupTable) (bhat int) {
	lit := key.params.lit
	g := table.outputs
	m := uint64(2 * lit.Parts * lit.PolyDegree / g)
	var errs int64 // sum of rounding errors in units of 2^-32 steps: n < 2^12 terms of at most 2^31
	for i, a := range ct.mask() {
		if key.signs[i] < 0 {
			a = -a
		}
		steps := uint64(a) * m // below 2^32 * 2^19
		// The low half is rounded off; read as signed it is negative exactly where the rounding goes up.
		errs += int64(int32(steps))
		ahat[i] = g * int((steps+1<<31)>>32%m)
	}
	mean := errs / int64(m*uint64(lit.BlockLength+1)) // P errs 2^-32 steps of 2^32/m words each
	return g * int(uint64(*ct.body()+uint32(table.shift>>32)-uint32(mean))*m>>32)
}
