package compiler

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// attributes names Node.Ints in the printed form, for the operations that have them.
var attributes = map[Op]string{
	OpSum: "axis", OpReshape: "shape", OpTranspose: "axes", OpConcatenate: "axis", OpGetItem: "index", OpTake: "index", OpClip: "range",
	OpBits: "n", OpRound: "d", OpRoundApproximate: "d", OpConv: "window",
}

// String returns what Print writes.
func (g *Graph) String() string {
	var b strings.Builder
	g.Print(&b) // a strings.Builder does not fail
	return b.String()
}

// Print writes g with one line per node, followed by the outputs, in the form that [Parse] reads:
//
//	%0 = input "x" shape=[2] lo=[0] hi=[127]
//	%1 = constant shape=[2] data=[3 -1]
//	%2 = matmul %0 %1                           # [] -127..381
//	%3 = lookup %2 table=[-127: 0 0 1 ... 1]    # [] 0..1
//	output %3
//
// Attributes follow the arguments by name. A list of equal values is written once; a table has one bracket per row, with
// the row's first argument. The comment shows the shape and the bounds over all elements; it is not read back.
func (g *Graph) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, n := range g.Nodes {
		printNode(b, n)
	}
	if len(g.Outputs) > 0 {
		b.WriteString("output")
		for _, o := range g.Outputs {
			fmt.Fprintf(b, " %%%d", o.ID)
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}

func printNode(b *bufio.Writer, n *Node) {
	fmt.Fprintf(b, "%%%d = %s", n.ID, n.Op)
	if n.Op == OpInput {
		fmt.Fprintf(b, " %q", n.Name)
	}
	for _, a := range n.Args {
		fmt.Fprintf(b, " %%%d", a.ID)
	}
	if name, ok := attributes[n.Op]; ok {
		b.WriteString(" " + name + "=")
		printList(b, n.Ints, false)
	}
	switch {
	case n.Op == OpInput:
		fmt.Fprintf(b, " shape=%v lo=", n.Shape)
		printList(b, n.Lo, true)
		b.WriteString(" hi=")
		printList(b, n.Hi, true)
		b.WriteByte('\n')
		return
	case n.Value != nil:
		fmt.Fprintf(b, " shape=%v data=", n.Shape)
		printList(b, n.Value.Data, true)
		b.WriteByte('\n')
		return
	case n.Table != nil:
		b.WriteString(" table=")
		for i, row := range n.Table.Values {
			fmt.Fprintf(b, "[%d:", n.Table.Lo[i])
			for _, v := range row {
				b.WriteByte(' ')
				b.WriteString(strconv.FormatInt(v, 10))
			}
			b.WriteByte(']')
		}
	}
	if len(n.Lo) > 0 {
		lo, hi := n.Range()
		fmt.Fprintf(b, " # %v %d..%d", n.Shape, lo, hi)
	}
	b.WriteByte('\n')
}

// printList writes [v v v], or [v] for equal values when short is set.
func printList(b *bufio.Writer, values []int64, short bool) {
	if short {
		equal := len(values) > 0
		for _, v := range values {
			equal = equal && v == values[0]
		}
		if equal {
			values = values[:1]
		}
	}
	b.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatInt(v, 10))
	}
	b.WriteByte(']')
}
