package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// compactWords are, for the 16-bit words of 8 integers, the words of compact numbers that go there; the lowest one of each is zero.
var compactWords Mem

func (w width) constants() {
	if !w.wide() {
		return
	}
	w.batchConstants()
	compactWords = GLOBL("compactWords", attr.RODATA|attr.NOPTR)
	for lane := range 8 {
		for word, at := range []int{0, 3 * lane, 3*lane + 1, 3*lane + 2} {
			DATA(8*lane+2*word, U16(at))
		}
	}
}

// keyForm is how the words of a key are stored.
type keyForm int

const (
	whole   keyForm = iota // float64
	compact                // 48 bits
	kept                   // 48 bits, and kernels also store what they read as float64
)

func (f keyForm) name() string { return [...]string{"", "Compact", "Kept"}[f] }

func (f keyForm) args() string {
	return [...]string{"*float64", "*uint64", "*uint64, keep *float64"}[f]
}

// doc adds to the first line of a kernel's documentation.
func (f keyForm) doc(line string) string {
	return line + [...]string{"", "; the key is that of which expand gives the elements, and 16 bytes behind it are read",
		"; the key is that of which expand gives the elements, which go to keep too, and 16 bytes behind it are read"}[f]
}

// bytes is the size of 8 complex numbers.
func (f keyForm) bytes() int {
	if f == whole {
		return 128
	}
	return 96
}

// advance moves the address of what is kept past n times 8 complex numbers.
func (f keyForm) advance(n int) {
	if f == kept {
		ADDQ(U32(uint32(128*n)), param("keep"))
	}
}

// keyLoader returns a function that loads the i-th 8 complex numbers from an address, off bytes into them.
//
// Of compact numbers, three words of 16 bits each, one instruction takes eight to the upper bits of integers. Loads of 64 bytes have 48 of use.
func (w width) keyLoader(f keyForm) func(base reg.Register, i, off int) cx {
	if f == whole {
		return func(base reg.Register, i, off int) cx { return w.load(Mem{Base: base, Disp: 128*i + off}) }
	}
	words, ones, upper := ZMM(), GP32(), K()
	VMOVDQU64(compactWords, words)
	MOVL(U32(0xeeeeeeee), ones)
	KMOVD(ones, upper)
	var keep reg.Register
	if f == kept {
		keep = GP64()
	}
	part := func(m, to Mem) reg.VecVirtual {
		v := ZMM()
		VPERMW_Z(m, words, upper, v)
		VCVTQQ2PD(v, v)
		if f == kept {
			VMOVUPD(v, to)
		}
		return v
	}
	return func(base reg.Register, i, _ int) cx {
		if f == kept && i == 0 {
			MOVQ(param("keep"), keep)
		}
		m, to := Mem{Base: base, Disp: 96 * i}, Mem{Base: keep, Disp: 128 * i}
		return cx{part(m, to), part(m.Offset(48), to.Offset(64))}
	}
}
