package golearn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// cursor walks over JSON that json.Valid has accepted, which also bounds its depth (10000). It allocates nothing for what is passed over: a decoder into maps
// and structs would take twenty times the bytes of a hostile tree.
type cursor struct {
	b []byte
	i int

	escaped map[string][]byte // texts with escapes and their content: few differ
}

// next skips white space and returns the first byte of the next token; 0 at the end.
func (c *cursor) next() byte {
	for ; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case ' ', '\t', '\n', '\r':
		default:
			return c.b[c.i]
		}
	}
	return 0
}

// null consumes a null and reports whether there was one.
func (c *cursor) null() bool {
	if c.next() != 'n' {
		return false
	}
	c.i += len("null")
	return true
}

// object calls fn for each member; fn consumes the value.
func (c *cursor) object(fn func(key []byte) error) error {
	if c.next() != '{' {
		return fmt.Errorf("something else where an object is expected")
	}
	c.i++
	for c.next() != '}' {
		key, err := c.text()
		if err != nil {
			return err
		}
		c.next()
		c.i++ // the colon
		if err := fn(key); err != nil {
			return err
		}
		if c.next() == ',' {
			c.i++
		}
	}
	c.i++
	return nil
}

// array calls fn for each element; fn consumes it.
func (c *cursor) array(fn func() error) error {
	if c.next() != '[' {
		return fmt.Errorf("something else where a list is expected")
	}
	c.i++
	for c.next() != ']' {
		if err := fn(); err != nil {
			return err
		}
		if c.next() == ',' {
			c.i++
		}
	}
	c.i++
	return nil
}

// text consumes a string and returns its content, which shares the input's memory where it has no escapes.
func (c *cursor) text() ([]byte, error) {
	if c.next() != '"' {
		return nil, fmt.Errorf("something else where a text is expected")
	}
	start := c.i
	for c.i++; c.b[c.i] != '"'; c.i++ {
		if c.b[c.i] == '\\' {
			c.i++
		}
	}
	c.i++
	literal := c.b[start:c.i]
	if bytes.IndexByte(literal, '\\') < 0 {
		return literal[1 : len(literal)-1], nil
	}
	if plain, ok := c.escaped[string(literal)]; ok {
		return plain, nil
	}
	if len(c.escaped) >= maxEscaped {
		return nil, fmt.Errorf("more than %d texts with escapes", maxEscaped)
	}
	var s string
	if err := json.Unmarshal(literal, &s); err != nil {
		return nil, err
	}
	if c.escaped == nil {
		c.escaped = map[string][]byte{}
	}
	c.escaped[string(literal)] = []byte(s)
	return []byte(s), nil
}

// maxEscaped bounds the different texts with escapes of one tree; each costs half a kilobyte.
const maxEscaped = 1 << 13

// number consumes a number.
func (c *cursor) number() (float64, error) {
	c.next()
	start := c.i
	c.skip()
	v, err := strconv.ParseFloat(string(c.b[start:c.i]), 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%.40q where a number is expected", c.b[start:c.i])
	}
	return v, nil
}

// skip consumes any value.
func (c *cursor) skip() {
	depth := 0
	for {
		switch c.next() {
		case 0:
			return
		case '{', '[':
			depth++
			c.i++
		case '}', ']':
			depth--
			c.i++
		case '"':
			for c.i++; c.b[c.i] != '"'; c.i++ {
				if c.b[c.i] == '\\' {
					c.i++
				}
			}
			c.i++
		case ',', ':':
			c.i++
			continue // only inside
		default: // a number or a word
			for c.i < len(c.b) && bytes.IndexByte([]byte(" \t\n\r,:]}"), c.b[c.i]) < 0 {
				c.i++
			}
		}
		if depth == 0 {
			return
		}
	}
}

// attribute consumes an attribute as golearn writes it: {"type": "categorical", "name": ..., "attr": {"values": [...]}}; "unknown" and null give false.
func (c *cursor) attribute() (a attribute, ok bool, err error) {
	switch {
	case c.null():
		return a, false, nil
	case c.next() == '"':
		s, err := c.text()
		if err == nil && string(s) != "unknown" {
			err = fmt.Errorf("attribute %.40q where an object is expected", s)
		}
		return a, false, err
	}
	kind := ""
	err = c.object(func(key []byte) error {
		switch string(key) {
		case "type":
			s, err := c.text()
			kind = string(s)
			return err
		case "name":
			s, err := c.text()
			a.name = string(s)
			return err
		case "attr":
			if c.null() {
				return nil
			}
			return c.object(func(key []byte) error {
				if string(key) != "values" || c.next() == 'n' {
					c.skip()
					return nil
				}
				return c.array(func() error {
					s, err := c.text()
					if len(a.values) >= maxClasses {
						return fmt.Errorf("an attribute with more than %d values", maxClasses)
					}
					a.values = append(a.values, string(s))
					return err
				})
			})
		}
		c.skip()
		return nil
	})
	if err != nil {
		return a, false, err
	}
	switch kind {
	case "float":
		a.kind, a.values = attrFloat, nil
	case "binary":
		a.kind, a.values = attrBinary, nil
	case "categorical":
		a.kind = attrCategorical
	default:
		return a, false, fmt.Errorf("attribute %.40q has type %.40q; float, binary and categorical are known", a.name, kind)
	}
	return a, true, nil
}

// parseNode consumes a DecisionTreeNode, everything below first.
func (f *forest) parseNode(c *cursor) (int32, error) {
	var branches []child
	var class []byte
	var attr attribute
	var inner, ruled bool
	threshold := 0.0
	err := c.object(func(key []byte) error {
		switch string(key) {
		case "children":
			if c.null() {
				return nil
			}
			inner = true
			return c.object(func(value []byte) error {
				if c.next() == 'n' {
					return fmt.Errorf("a branch of a split is missing")
				}
				ref, err := f.parseNode(c)
				if len(branches) >= maxClasses {
					return fmt.Errorf("a split with more than %d branches", maxClasses)
				}
				branches = append(branches, child{value, ref})
				return err
			})
		case "class_string":
			var err error
			class, err = c.text()
			return err
		case "decision_tree_rule":
			if c.null() {
				return nil
			}
			return c.object(func(key []byte) (err error) {
				switch string(key) {
				case "split_attribute":
					attr, ruled, err = c.attribute()
				case "split_val":
					threshold, err = c.number()
				default:
					c.skip()
				}
				return err
			})
		}
		c.skip()
		return nil
	})
	if err != nil {
		return 0, err
	}
	switch {
	case !inner:
		return f.leaf(class)
	case !ruled:
		return 0, fmt.Errorf("a split names no attribute; fit the model again")
	}
	return f.split(&attr, threshold, branches, class)
}
