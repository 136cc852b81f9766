package compiler

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of Parse.
const (
	maxLine     = 1 << 26 // bytes of one line
	parseBudget = 1 << 26 // elements and element operations of the whole graph

	// Memory, in elements of 16 bytes (two bounds): each node takes nodeElements and those that it has; a text of n bytes may take memoryBase + n, which is
	// twice and more what printed graphs need.
	nodeElements = 20
	memoryBase   = 1 << 20
)

// Parse reads a graph in the form that [Graph.Print] writes. Empty lines and comments, from # to the end of the line, are
// ignored. The graph it returns passes Verify, and printing it gives what Parse reads as the same graph. Errors name the
// line. Its memory and time are bounded, whatever the text asks for: a line has at most 2^26 bytes, and all nodes together
// at most about 2^26 elements, and 2^20 and one per byte of the text.
func Parse(r io.Reader) (*Graph, error) {
	return parse(r, parseBudget)
}

// parser is the state between the lines.
type parser struct {
	g      *Graph
	names  map[string]bool
	budget int
	read   int // bytes so far
	memory int // elements so far
}

func parse(r io.Reader, budget int) (*Graph, error) {
	p := &parser{g: NewGraph(), names: make(map[string]bool), budget: budget}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		p.read += len(lines.Bytes()) + 1
		if err := p.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("compiler: line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("compiler: line %d: %w", number+1, err)
	}
	if len(p.g.Outputs) == 0 {
		return nil, errors.New("compiler: the text ends without an output line")
	}
	return p.g, nil
}

// charge takes n elements from the budget.
func (p *parser) charge(n int) error {
	if n > p.budget {
		return errors.New("the graph is too large to be read")
	}
	p.budget -= n
	return nil
}

func (p *parser) line(text string) error {
	c := &cursor{rest: text}
	if c.end() {
		return nil
	}
	if len(p.g.Outputs) > 0 {
		return errors.New("nothing may follow the output line")
	}
	if c.accept("output") {
		args, err := p.references(c)
		if err == nil && (len(args) == 0 || !c.end()) {
			err = c.unexpected("a node")
		}
		p.g.Outputs = args
		return err
	}
	id, err := c.reference()
	if err != nil {
		return err
	}
	if id != int64(len(p.g.Nodes)) {
		return fmt.Errorf("node %%%d where %%%d is next", id, len(p.g.Nodes))
	}
	if !c.accept("=") {
		return c.unexpected("=")
	}
	n := &Node{Op: Op(c.word())}
	if err := p.fields(c, n); err != nil {
		return err
	}
	if !c.end() {
		return c.unexpected("the end of the line")
	}
	return p.add(n)
}

// add appends n after charging what its shape and the work of its bounds cost.
func (p *parser) add(n *Node) error {
	shape, err := inferShape(n)
	if err != nil {
		return fmt.Errorf("%s: %w", n.Op, err)
	}
	size, work := 1, 0
	for _, d := range shape {
		size *= d
	}
	for _, a := range n.Args {
		work += a.Size()
	}
	switch n.Op {
	case OpMatMul:
		_, _, cols := matMulDims(n.Args[0].Shape, n.Args[1].Shape)
		work += n.Args[0].Size() * cols // both below 2^26
	case OpConv:
		work += convolutionOf(n).work()
	case OpLookup:
		for _, row := range n.Table.Values {
			work += len(row) * (size / len(n.Table.Values))
		}
	}
	if p.memory += nodeElements + size; p.memory > memoryBase+p.read {
		return errors.New("the graph is too large to be read: it takes far more memory than its text")
	}
	if err := p.charge(size + work); err != nil {
		return err
	}
	return p.g.add(n)
}

// fields reads what follows the operation.
func (p *parser) fields(c *cursor, n *Node) (err error) {
	switch n.Op {
	case OpInput:
		if n.Name, err = c.quoted(); err != nil {
			return err
		}
		if p.names[n.Name] {
			return fmt.Errorf("a second input is named %q", n.Name)
		}
		p.names[n.Name] = true
		if n.Shape, err = c.shape(); err != nil {
			return err
		}
		if n.Lo, err = p.elements(c, "lo", n.Shape); err != nil {
			return err
		}
		n.Hi, err = p.elements(c, "hi", n.Shape)
		return err
	case OpConstant:
		n.Value = new(Array)
		if n.Value.Shape, err = c.shape(); err != nil {
			return err
		}
		n.Value.Data, err = p.elements(c, "data", n.Value.Shape)
		return err
	}
	if n.Args, err = p.references(c); err != nil {
		return err
	}
	if name, ok := attributes[n.Op]; ok {
		n.Ints, err = c.list(name)
		return err
	}
	if n.Op == OpLookup {
		n.Table, err = c.table()
	}
	return err
}

// references reads any number of node references.
func (p *parser) references(c *cursor) ([]*Node, error) {
	var nodes []*Node
	for c.peek() == '%' {
		id, err := c.reference()
		if err != nil {
			return nil, err
		}
		if id >= int64(len(p.g.Nodes)) {
			return nil, fmt.Errorf("node %%%d is not defined yet", id)
		}
		nodes = append(nodes, p.g.Nodes[id])
	}
	return nodes, nil
}

// elements reads name=[...] with one value per element of shape, or one for all.
func (p *parser) elements(c *cursor, name string, shape []int) ([]int64, error) {
	values, err := c.list(name)
	if err != nil {
		return nil, err
	}
	size, err := shapeSize(shape)
	if err != nil {
		return nil, err
	}
	if len(values) != 1 && len(values) != size {
		return nil, fmt.Errorf("%s has %d values, want 1 or %d", name, len(values), size)
	}
	if size > memoryBase+p.read {
		return nil, fmt.Errorf("the graph is too large to be read: %s of %d elements", name, size)
	}
	if err := p.charge(size); err != nil {
		return nil, err
	}
	if len(values) == size {
		return values, nil
	}
	return expand(values, size), nil
}

// cursor reads one line.
type cursor struct{ rest string }

// peek returns the next byte after spaces, or 0 at the end of the line.
func (c *cursor) peek() byte {
	c.rest = strings.TrimLeft(c.rest, " \t\r")
	if c.rest == "" {
		return 0
	}
	return c.rest[0]
}

// end reports whether only a comment is left.
func (c *cursor) end() bool {
	b := c.peek()
	return c.rest == "" || b == '#'
}

func (c *cursor) accept(s string) bool {
	c.peek()
	rest, ok := strings.CutPrefix(c.rest, s)
	c.rest = rest
	return ok
}

// unexpected is the error for what is next, quoted in part.
func (c *cursor) unexpected(want string) error {
	c.peek()
	return fmt.Errorf("want %s before %.20q", want, c.rest)
}

// word reads lower-case letters and underscores.
func (c *cursor) word() string {
	c.peek()
	i := 0
	for i < len(c.rest) && (c.rest[i] == '_' || 'a' <= c.rest[i] && c.rest[i] <= 'z') {
		i++
	}
	w := c.rest[:i]
	c.rest = c.rest[i:]
	return w
}

// number reads an integer.
func (c *cursor) number() (int64, error) {
	c.peek()
	i := 0
	for i < len(c.rest) && (c.rest[i] == '-' || '0' <= c.rest[i] && c.rest[i] <= '9') {
		i++
	}
	v, err := strconv.ParseInt(c.rest[:i], 10, 64)
	if err != nil {
		return 0, c.unexpected("an integer")
	}
	c.rest = c.rest[i:]
	return v, nil
}

// reference reads %N.
func (c *cursor) reference() (int64, error) {
	if !c.accept("%") {
		return 0, c.unexpected("a node")
	}
	id, err := c.number()
	if err == nil && id < 0 {
		err = errors.New("a negative node number")
	}
	return id, err
}

func (c *cursor) quoted() (string, error) {
	c.peek()
	q, err := strconv.QuotedPrefix(c.rest)
	if err != nil {
		return "", c.unexpected("a quoted name")
	}
	c.rest = c.rest[len(q):]
	return strconv.Unquote(q)
}

// list reads name=[v v ...].
func (c *cursor) list(name string) ([]int64, error) {
	if !c.accept(name) || !c.accept("=") || !c.accept("[") {
		return nil, c.unexpected(name + "=[")
	}
	return c.numbers()
}

// numbers reads v v ...].
func (c *cursor) numbers() ([]int64, error) {
	// As many as gaps, so that the list need not grow: that would take several times its size.
	list, _, _ := strings.Cut(c.rest, "]")
	values := make([]int64, 0, min(strings.Count(list, " ")+1, len(list)/2+1))
	for !c.accept("]") {
		v, err := c.number()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

func (c *cursor) shape() ([]int, error) {
	values, err := c.list("shape")
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(values))
	for i, d := range values {
		if d < 1 || d > maxElements {
			return nil, fmt.Errorf("an axis of %d elements", d)
		}
		shape[i] = int(d)
	}
	return shape, nil
}

// table reads table=[lo: v v ...][lo: ...]...
func (c *cursor) table() (*Table, error) {
	if !c.accept("table") || !c.accept("=") {
		return nil, c.unexpected("table=")
	}
	rows := strings.Count(c.rest, "[")
	t := &Table{Lo: make([]int64, 0, rows), Values: make([][]int64, 0, rows)}
	for c.accept("[") {
		lo, err := c.number()
		if err != nil {
			return nil, err
		}
		if !c.accept(":") {
			return nil, c.unexpected(":")
		}
		row, err := c.numbers()
		if err != nil {
			return nil, err
		}
		t.Lo, t.Values = append(t.Lo, lo), append(t.Values, row)
	}
	return t, nil
}
