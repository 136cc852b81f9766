package main

import (
	"github.com/mmcloughlin/avo/attr"
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

// cmem is where the real and the imaginary parts of a register of complex numbers are in memory.
type cmem struct{ re, im Mem }

// at is the complex register at m, in the layout of the Fourier domain.
func at(m Mem) cmem { return cmem{m, m.Offset(64)} }

func (m cmem) offset(n int) cmem { return cmem{m.re.Offset(n), m.im.Offset(n)} }

func (w width) load(m cmem) cx {
	c := w.cx()
	VMOVUPD(m.re, c.re)
	VMOVUPD(m.im, c.im)
	return c
}

func (c cx) store(m cmem) {
	VMOVUPD(c.re, m.re)
	VMOVUPD(c.im, m.im)
}

// broadcast loads a pair of float64 into all lanes of a complex register.
func (w width) broadcast(m Mem) cx {
	c := w.cx()
	VBROADCASTSD(m, c.re)
	VBROADCASTSD(m.Offset(8), c.im)
	return c
}

// mul returns a*b.
func (w width) mul(a, b cx) cx {
	c := w.cx()
	VMULPD(b.re, a.re, c.re)
	VMULPD(b.im, a.re, c.im)
	VFNMADD231PD(b.im, a.im, c.re)
	VFMADD231PD(b.re, a.im, c.im)
	return c
}

// mulConj returns a*conj(b).
func (w width) mulConj(a, b cx) cx {
	c := w.cx()
	VMULPD(b.re, a.re, c.re)
	VMULPD(b.re, a.im, c.im)
	VFMADD231PD(b.im, a.im, c.re)
	VFNMADD231PD(b.im, a.re, c.im)
	return c
}

// sumDiff returns a+b and a-b.
func (w width) sumDiff(a, b cx) (s, d cx) {
	s, d = w.cx(), w.cx()
	VADDPD(b.re, a.re, s.re)
	VSUBPD(b.re, a.re, d.re)
	VADDPD(b.im, a.im, s.im)
	VSUBPD(b.im, a.im, d.im)
	return s, d
}

// sumDiffEven is sumDiff with the differences as fused operations, which leaves half of the work to the units that multiply: for where
// there is nothing else for them to do.
func (w width) sumDiffEven(a, b cx) (s, d cx) {
	if !w.wide() {
		return w.sumDiff(a, b)
	}
	s, d = w.cx(), a
	one := w.one()
	VADDPD(b.re, a.re, s.re)
	VFMSUB213PD(b.re, one, d.re)
	VADDPD(b.im, a.im, s.im)
	VFMSUB213PD(b.im, one, d.im)
	return s, d
}

// sumDiffIEven is sumDiffI in the same way.
func (w width) sumDiffIEven(a, b cx) (s, d cx) {
	if !w.wide() {
		return w.sumDiffI(a, b)
	}
	s, d = w.cx(), w.cx()
	one := w.one()
	VSUBPD(b.im, a.re, s.re)
	d.re = a.re
	VFMADD213PD(b.im, one, d.re)
	VADDPD(b.re, a.im, s.im)
	d.im = a.im
	VFMSUB213PD(b.re, one, d.im)
	return s, d
}

// one is a register of ones.
func (w width) one() reg.VecVirtual { return ones }

var ones reg.VecVirtual

// sumDiffI returns a+ib and a-ib.
func (w width) sumDiffI(a, b cx) (s, d cx) {
	s, d = w.cx(), w.cx()
	VSUBPD(b.im, a.re, s.re)
	VADDPD(b.im, a.re, d.re)
	VADDPD(b.re, a.im, s.im)
	VSUBPD(b.re, a.im, d.im)
	return s, d
}

// data are the addresses of the read-only constants by name.
var data = map[string]Mem{}

// constants emits the read-only data.
func (w width) constants() {
	all := func(name string, v Constant) {
		data[name] = GLOBL(name+w.name, attr.RODATA|attr.NOPTR)
		for i := range w.lanes {
			DATA(8*i, v)
		}
	}
	all("rootHalf", F64(0x1.6a09e667f3bcdp-1))
	all("one", F64(1))
	all("magic", U64(0x4330<<48)) // 2^52
	all("signBit", U64(1<<63))
	if w.wide() {
		all("toWord", F64(0x1p64))
	} else {
		all("toHigh", F64(1.5*(1<<40)))
		all("toLow", F64(1.5/(1<<12)))
		all("lowOne", U64(0x3f38<<48))
		all("magicHigh", U64(0x4530000080000000)) // 2^84 + 2^63
		all("magicBoth", U64(0x4530000080100000)) // 2^84 + 2^63 + 2^52
	}
}

// constant returns the named constant as an operand: a register where there are plenty, memory otherwise.
func (w width) constant(name string) Op {
	if w.wide() {
		return w.loaded(name)
	}
	return data[name]
}

// loaded returns a register with the named constant.
func (w width) loaded(name string) reg.VecVirtual {
	v := w.vec()
	VMOVUPD(data[name], v)
	return v
}

// aheadArgs are the last arguments of kernels that ask for memory: with each step, that many lines of 64 bytes from ahead on.
const aheadArgs = ", ahead *float64, lines int"

const aheadDoc = "// with each step lines of 64 bytes from ahead on are asked for"

// asks loads the address to ask for, and returns what a step does: it asks for the next lines, and moves the address past them.
func asks() func() {
	a := Load(Param("ahead"), GP64())
	return func() {
		n := GP64()
		loops++
		l := "ahead" + string(rune('a'+loops/26%26)) + string(rune('a'+loops%26))
		MOVQ(param("lines"), n)
		TESTQ(n, n)
		JZ(LabelRef(l + "none"))
		Label(l)
		PREFETCHT1(Mem{Base: a})
		ADDQ(Imm(64), a)
		DECQ(n)
		JNZ(LabelRef(l))
		Label(l + "none")
	}
}
