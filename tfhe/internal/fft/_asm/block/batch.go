package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Products of several ciphertexts with one key of a block, for registers of 8 lanes.
//
// Vectors come in groups of eight, at which a power of X has the values that it has at the first of them times the eighth roots of one: each term's factor is computed
// once a group, and its multiples by additions, which the units that multiply do not wait for. A vector then takes the multiple it needs. Multiples are stored while
// the ciphertext before is multiplied, two steps a term, so that the stores wait for nothing either.

// groupVectors is how many vectors share factors.
const groupVectors = 8

// turnSlots is where a turn says which multiples the vectors of a group need: groupVectors offsets of 4 bytes.
const turnSlots = 32

// Layout of struct batchItem.
const (
	itemDigits = 0
	itemTurns  = 8
	itemSize   = 16
)

// Constants of the multiples.
var rootHalf, signBit Mem

func (w width) batchConstants() {
	rootHalf = GLOBL("blockRootHalf", attr.RODATA|attr.NOPTR)
	DATA(0, F64(0x1.6a09e667f3bcdp-1))
	signBit = GLOBL("blockSignBit", attr.RODATA|attr.NOPTR)
	DATA(0, U64(1<<63))
}

// multiples stores the multiples k = 0, 2, 4, 6 of root * lanes, minus unit, at to, or k = 1, 3, 5, 7: by the k-th power of exp(i pi/4), at 128 k bytes.
func (w width) multiples(odd int, root, lanes, unitAt, to Mem) {
	f := w.factor(root, lanes, nil)
	unit, sign := w.vec(), w.vec()
	VBROADCASTSD(unitAt, unit)
	VBROADCASTSD(signBit, sign)
	if odd == 1 {
		half := w.vec()
		VBROADCASTSD(rootHalf, half)
		t := w.cx()
		VSUBPD(f.im, f.re, t.re)
		VADDPD(f.im, f.re, t.im)
		VMULPD(half, t.re, t.re)
		VMULPD(half, t.im, t.im)
		f = t
	}
	store := func(k int, re, im reg.VecVirtual) {
		VMOVUPD(re, to.Offset(128*(k+odd)))
		VMOVUPD(im, to.Offset(128*(k+odd)+64))
	}
	v, re, im := w.vec(), w.vec(), w.vec()
	VSUBPD(unit, f.re, v)
	store(0, v, f.im)
	VXORPD(sign, f.im, im)
	v = w.vec()
	VSUBPD(unit, im, v)
	store(2, v, f.re)
	VXORPD(sign, f.re, re)
	v = w.vec()
	VSUBPD(unit, re, v)
	store(4, v, im)
	v = w.vec()
	VSUBPD(unit, f.im, v)
	store(6, v, re)
}

// batchKernel is what the pieces of a kernel share.
type batchKernel struct {
	width
	roots, stride        reg.GPVirtual
	d, key, turns, frame reg.GPVirtual // of the ciphertext and the group
	next, e, nextFrame   reg.GPVirtual // turns, exponent and multiples of the next ciphertext, or of the first in the next group
	at, x, ahead         reg.GPVirtual
}

// blockBatch emits the product of a list of ciphertexts. With kept, the first of them keeps the key's numbers for the others.
func (w width) blockBatch(form keyForm) {
	w.begin("blockBatch"+form.name(), "items *int, count int, key "+form.args()+", roots *complex128, mask int, exponent *uint32, stride, groups int, lines int",
		form.doc("// for c := range count: blockProduct2Full of d = items[c].d and turns = items[c].turns, structs of type batchItem, for 8 groups vectors, the first of which starts a group"),
		"// with each vector so many lines of 64 bytes of the key of the group after are asked for")
	Attributes(0) // the frame is larger than what functions without a check of the stack may have
	local := AllocLocal(2*maxTerms*groupVectors*128 + 64 + 32)
	left, offset, keyGroup, item := local, local.Offset(8), local.Offset(16), local.Offset(24)
	k := batchKernel{width: w, roots: GP64(), stride: GP64(), d: GP64(), key: GP64(), turns: GP64(), frame: GP64(), next: GP64(), e: GP64(),
		nextFrame: GP64(), at: GP64(), x: GP64(), ahead: GP64()}
	MOVQ(param("roots"), k.roots)
	MOVQ(param("stride"), k.stride)
	LEAQ(local.Offset(32+63), k.frame)
	ANDQ(I8(-64), k.frame)
	LEAQ(Mem{Base: k.frame, Disp: maxTerms * groupVectors * 128}, k.nextFrame)
	loads := []func(base reg.Register, i, off int) cx{w.keyLoader(form)}
	if form == kept {
		loads = append(loads, w.keyLoader(whole))
	}
	// The first multiples.
	MOVQ(param("items"), k.x)
	MOVQ(k.x, item)
	MOVQ(Mem{Base: k.x, Disp: itemTurns}, k.next)
	MOVQ(param("exponent"), k.e)
	MOVL(Mem{Base: k.e}, k.e.As32())
	XCHGQ(k.frame, k.nextFrame)
	MOVQ(U32(maxTerms), k.at)
	loop(func() {
		k.multiples(0)
		k.multiples(1)
		k.nextTerm()
		DECQ(k.at)
	})
	k.swapFrames()
	MOVQ(param("key"), k.x)
	MOVQ(k.x, keyGroup)
	XORQ(k.x, k.x)
	MOVQ(k.x, offset)
	each := 4 * maxTerms * form.bytes() * groupVectors // bytes of a group's key
	loop(func() {
		MOVQ(keyGroup, k.key)
		LEAQ(Mem{Base: k.key, Disp: each}, k.ahead)
		MOVQ(param("count"), k.x)
		MOVQ(k.x, left)
		MOVQ(param("items"), k.x)
		MOVQ(k.x, item)
		for pass, load := range loads {
			f := form
			if pass > 0 { // the others
				f = whole
				CMPQ(left, Imm(0))
				JE(LabelRef("nothers"))
			}
			body := func() {
				k.begin(item, offset, left)
				if pass > 0 {
					MOVQ(param("keep"), k.key)
				} else if form != kept { // the key of the group again
					MOVQ(keyGroup, k.key)
				}
				XORQ(k.at, k.at)
				loop(func() {
					for half := range 2 {
						k.vector(load, f, half)
					}
					k.nextTerm()
					ADDQ(Imm(8), k.at)
					CMPQ(k.at, Imm(4*groupVectors))
				})
				k.swapFrames()
				if form == kept && pass == 0 {
					SUBQ(U32(uint32(4*maxTerms*128*groupVectors)), param("keep"))
				}
				DECQ(left)
			}
			if form == kept && pass == 0 {
				body()
			} else {
				loop(body)
			}
		}
		if form == kept {
			Label("nothers")
		}
		ADDQ(U32(uint32(each)), keyGroup)
		ADDQ(U32(groupVectors*128), offset)
		ADDQ(Imm(4*groupVectors), param("exponent"))
		DECQ(param("groups"))
	})
	w.end()
}

// begin loads what belongs to the current item, and to the one after it, and moves on.
func (k batchKernel) begin(item, offset, left Mem) {
	MOVQ(item, k.x)
	MOVQ(Mem{Base: k.x, Disp: itemDigits}, k.d)
	ADDQ(offset, k.d)
	MOVQ(Mem{Base: k.x, Disp: itemTurns}, k.turns)
	ADDQ(Imm(itemSize), k.x)
	MOVQ(k.x, item)
	MOVQ(param("exponent"), k.e)
	loops++
	l := "next" + string(rune('a'+loops/26%26)) + string(rune('a'+loops%26))
	CMPQ(left, Imm(1))
	JNE(LabelRef(l))
	// The first in the next group; after the last there is none, and what is stored serves nothing.
	MOVQ(param("items"), k.x)
	CMPQ(param("groups"), Imm(1))
	JE(LabelRef(l))
	ADDQ(Imm(4*groupVectors), k.e)
	Label(l)
	MOVQ(Mem{Base: k.x, Disp: itemTurns}, k.next)
	MOVL(Mem{Base: k.e}, k.e.As32())
}

// multiples stores half of the multiples of a term of the next ciphertext.
func (k batchKernel) multiples(odd int) {
	rootOf(k.x, k.e, k.roots, Mem{Base: k.next, Disp: turnPower})
	k.width.multiples(odd, Mem{Base: k.x}, Mem{Base: k.next, Disp: turnLanes}, Mem{Base: k.next, Disp: turnUnit}, Mem{Base: k.nextFrame})
}

// nextTerm goes on to the next term of the next ciphertext.
func (k batchKernel) nextTerm() {
	ADDQ(U32(turnSize), k.next)
	ADDQ(U32(groupVectors*128), k.nextFrame)
}

// swapFrames makes the multiples that were stored last those of the current ciphertext.
func (k batchKernel) swapFrames() {
	SUBQ(U32(maxTerms*groupVectors*128), k.nextFrame)
	XCHGQ(k.frame, k.nextFrame)
}

// vector emits the product at a vector, and half of the multiples of a term of the next ciphertext.
func (k batchKernel) vector(load func(base reg.Register, i, off int) cx, form keyForm, half int) {
	w := k.width
	k.ask()
	var sums [2][2]cx
	for j := range maxTerms {
		MOVL(Mem{Base: k.turns, Index: k.at, Scale: 1, Disp: turnSize*j + turnSlots + 4*half}, k.x.As32())
		f := w.load(Mem{Base: k.frame, Index: k.x, Scale: 1, Disp: groupVectors * 128 * j})
		for r := range 2 {
			for o := range 2 {
				c := load(k.key, 2*(2*j+r)+o, 0)
				if j == 0 {
					sums[r][o] = w.mul(f, c)
				} else {
					w.mulAdd(sums[r][o], f, c)
				}
			}
		}
		if j == 1 {
			k.multiples(half)
		}
	}
	second := Mem{Base: k.d, Index: k.stride, Scale: 1}
	for i := range 2 {
		PREFETCHT0(Mem{Base: k.d, Disp: digitsAhead*128 + 64*i})
		PREFETCHT0(second.Offset(digitsAhead*128 + 64*i))
	}
	digits := [2]cx{w.load(Mem{Base: k.d}), w.load(second)}
	for o := range 2 {
		out := w.mul(sums[0][o], digits[0])
		w.mulAdd(out, sums[1][o], digits[1])
		if o == 0 {
			out.store(Mem{Base: k.d})
		} else {
			out.store(second)
		}
	}
	ADDQ(U32(uint32(4*maxTerms*form.bytes())), k.key)
	form.advance(4 * maxTerms)
	ADDQ(U32(128), k.d)
}

// ask asks for the next lines of the key.
func (k batchKernel) ask() {
	loops++
	l := "ahead" + string(rune('a'+loops/26%26)) + string(rune('a'+loops%26))
	MOVQ(param("lines"), k.x)
	TESTQ(k.x, k.x)
	JZ(LabelRef(l + "none"))
	Label(l)
	PREFETCHT1(Mem{Base: k.ahead})
	ADDQ(Imm(64), k.ahead)
	DECQ(k.x)
	JNZ(LabelRef(l))
	Label(l + "none")
}
