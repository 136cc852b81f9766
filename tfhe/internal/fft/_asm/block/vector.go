package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// width is an instruction set: kernels are written once for registers of 8 or of 4 float64.
type width struct {
	name  string
	lanes int
}

func (w width) wide() bool { return w.lanes == 8 }

// bytes is the size of a register.
func (w width) bytes() int { return 8 * w.lanes }

// halves is the number of registers that make up 8 lanes.
func (w width) halves() int { return 8 / w.lanes }

func (w width) vec() reg.VecVirtual {
	if w.wide() {
		return ZMM()
	}
	return YMM()
}

// cx is a register of complex numbers.
type cx struct{ re, im reg.VecVirtual }

func (w width) cx() cx { return cx{w.vec(), w.vec()} }

func (w width) zero() cx {
	c := w.cx()
	for _, v := range []reg.VecVirtual{c.re, c.im} {
		if w.wide() {
			VPXORQ(v, v, v)
		} else {
			VXORPD(v, v, v)
		}
	}
	return c
}

// load loads complex numbers whose imaginary parts are 64 bytes after the real ones.
func (w width) load(m Mem) cx {
	c := w.cx()
	VMOVUPD(m, c.re)
	VMOVUPD(m.Offset(64), c.im)
	return c
}

func (c cx) store(m Mem) {
	VMOVUPD(c.re, m)
	VMOVUPD(c.im, m.Offset(64))
}

// mulAdd adds a*b to c.
func (w width) mulAdd(c, a, b cx) {
	VFMADD231PD(b.re, a.re, c.re)
	VFMADD231PD(b.re, a.im, c.im)
	VFNMADD231PD(b.im, a.im, c.re)
	VFMADD231PD(b.im, a.re, c.im)
}

// mul returns a*b.
func (w width) mul(a, b cx) cx {
	c := w.cx()
	VMULPD(b.re, a.re, c.re)
	VMULPD(b.re, a.im, c.im)
	VFNMADD231PD(b.im, a.im, c.re)
	VFMADD231PD(b.im, a.re, c.im)
	return c
}

// begin starts a function of the given arguments, whose documentation is its loop in Go.
func (w width) begin(name, args string, doc ...string) {
	TEXT(name+w.name, 4, "func("+args+")") // NOSPLIT
	Pragma("noescape")
	for i := range doc {
		doc[i] = "\t" + doc[i]
	}
	Doc(append([]string{name + w.name + " is, in registers of " + map[int]string{8: "8", 4: "4"}[w.lanes] + " float64:", ""}, doc...)...)
}

func (w width) end() {
	VZEROUPPER()
	RET()
}

func param(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

var loops int

// loop runs body until it leaves the flag ZF set: the body ends with the decrement of a counter.
func loop(body func()) {
	loops++
	l := "loop" + string(rune('a'+loops/26%26)) + string(rune('a'+loops%26))
	Label(l)
	body()
	JNZ(LabelRef(l))
}

// repeat emits body n times with its index, or in a loop if n is 0, as often as the named parameter says; step is what comes
// between two bodies. Loops of a few iterations around others are hard to predict, at ten to twenty cycles each time.
func repeat(n int, counter string, body func(i int), step func()) {
	if n > 0 {
		for i := range n {
			body(i)
		}
		return
	}
	c := GP64()
	MOVQ(param(counter), c)
	loop(func() {
		body(0)
		step()
		DECQ(c)
	})
}
