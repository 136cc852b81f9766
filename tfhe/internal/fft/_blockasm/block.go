package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Layout of struct turn.
const (
	turnPower = 0 // of wrap 0 and 1
	turnShift = 16
	turnLanes = 64 // of wrap 0 and 1, 128 bytes each
	turnSize  = 320
)

var ones Mem

func (w width) constants() {
	ones = GLOBL("blockOnes"+w.name, attr.RODATA|attr.NOPTR)
	for i := range w.lanes {
		DATA(8*i, F64(1))
	}
}

// rootOf sets x to the address of the root of X^power at the vector whose exponent is e.
func rootOf(x, e, roots reg.GPVirtual, power Mem) {
	MOVL(power, x.As32())
	IMULL(e.As32(), x.As32())
	ANDQ(param("mask"), x)
	SHLQ(Imm(4), x)
	ADDQ(roots, x)
}

// factor returns root * lanes, or root * lanes - one.
func (w width) factor(root, lanes Mem, one reg.VecVirtual) cx {
	l, f := w.load(lanes), w.cx()
	wr, wi := w.vec(), w.vec()
	VBROADCASTSD(root, wr)
	VBROADCASTSD(root.Offset(8), wi)
	VMULPD(l.im, wr, f.im)
	if one != nil {
		VMOVAPD(l.re, f.re)
		VFMSUB132PD(wr, one, f.re)
	} else {
		VMULPD(l.re, wr, f.re)
	}
	VFMADD231PD(l.re, wi, f.im)
	VFNMADD231PD(l.im, wi, f.re)
	return f
}

// blockProducts emits the products of a block by rows of the key at a time: two, and four where there are registers for their sums.
func (w width) blockProducts() {
	w.blockProduct(2, false)
	w.blockProduct(2, true)
	if w.wide() {
		w.blockProduct(4, false)
	}
}

func (w width) blockProduct(rows int, add bool) {
	name, set := "blockProduct", "="
	if add {
		name, set = "blockProductAdd", "+="
	}
	w.begin(name+string(rune('0'+rows)), "dst, d, key *float64, roots *complex128, mask int, exponent *uint32, turns *int, stride, terms, levels, count int",
		"// stride is 8N, mask is 2N-1, and turns is turns[0].power of the rotation",
		"for i := range count {",
		"	for o := range 2 {",
		"		var k ["+string(rune('0'+rows))+"]vector // complex numbers",
		"		for j := range terms {",
		"			w := roots[exponent[i]*turns[j].power[0]&mask]",
		"			for r := range k {",
		"				k[r] += (w*turns[j].lanes[0] - 1) * key[((i*terms+j)*2*levels+r)*2+o]",
		"			}",
		"		}",
		"		dst[o*stride/128+i] "+set+" sum over r of k[r] * d[r*stride/128+i]",
		"	}",
		"}")
	dst, d, key := Load(Param("dst"), GP64()), Load(Param("d"), GP64()), Load(Param("key"), GP64())
	roots := Load(Param("roots"), GP64()).(reg.GPVirtual)
	exponent, turns := Load(Param("exponent"), GP64()), Load(Param("turns"), GP64())
	stride := Load(Param("stride"), GP64())
	one := w.vec()
	VMOVUPD(ones, one)
	e, j, x, termKey, t, p := GP64(), GP64(), GP64(), GP64(), GP64(), GP64()
	step := GP64() // of the key from term to term
	MOVQ(param("levels"), step)
	SHLQ(Imm(9), step)
	loop(func() {
		MOVL(Mem{Base: exponent}, e.As32())
		for half := range w.halves() {
			off := half * w.bytes()
			var k [4][2]cx
			for r := range rows {
				for o := range 2 {
					k[r][o] = w.zero()
				}
			}
			MOVQ(param("terms"), j)
			MOVQ(key, termKey)
			MOVQ(turns, t)
			loop(func() {
				rootOf(x, e, roots, Mem{Base: t, Disp: turnPower})
				f := w.factor(Mem{Base: x}, Mem{Base: t, Disp: turnLanes + off}, one)
				for r := range rows {
					for o := range 2 {
						w.mulAdd(k[r][o], f, w.load(Mem{Base: termKey, Disp: (2*r+o)*128 + off}))
					}
				}
				ADDQ(step, termKey)
				ADDQ(U32(turnSize), t)
				DECQ(j)
			})
			var out [2]cx
			dsts := [2]Mem{{Base: dst, Disp: off}, {Base: dst, Index: stride, Scale: 1, Disp: off}}
			MOVQ(d, p)
			for r := range rows {
				x := w.load(Mem{Base: p, Disp: off})
				for o := range 2 {
					if r == 0 && !add {
						out[o] = w.mul(k[r][o], x)
						continue
					}
					if r == 0 {
						out[o] = w.load(dsts[o])
					}
					w.mulAdd(out[o], k[r][o], x)
				}
				if r < rows-1 {
					ADDQ(stride, p)
				}
			}
			out[0].store(dsts[0])
			out[1].store(dsts[1])
		}
		MOVQ(termKey, key)
		ADDQ(U32(128), d)
		ADDQ(U32(128), dst)
		ADDQ(Imm(4), exponent)
		DECQ(param("count"))
	})
	w.end()
}

// prefetch emits the loop that asks for memory to be brought to the second-level cache.
func prefetch() {
	TEXT("prefetch", 4, "func(x *float64, lines int)")
	Pragma("noescape")
	Doc("prefetch asks for lines of 64 bytes from x on to be read into the second-level cache.")
	x, n := Load(Param("x"), GP64()), Load(Param("lines"), GP64())
	loop(func() {
		PREFETCHT1(Mem{Base: x})
		ADDQ(Imm(64), x)
		DECQ(n)
	})
	RET()
}
