package golearn

import (
	"fmt"
	"reflect"
)

// Reading of golearn's objects. Reflection reads unexported numbers, texts, slices and maps as it reads exported ones; it only refuses to hand them out as
// interfaces or to call their methods, which nothing here needs.

// follow takes pointers and interfaces away; the result is not valid at nil.
func follow(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return v
}

// field returns a field of struct v, without pointers in front. nil is an error that says what is missing.
func field(v reflect.Value, name string, kinds ...reflect.Kind) (reflect.Value, error) {
	f := follow(v.FieldByName(name)) // of an absent field not valid
	if !f.IsValid() {
		if v.FieldByName(name).IsValid() {
			return f, fmt.Errorf("%s is nil; fit the model first", name)
		}
		return f, fmt.Errorf("%s has no field %s: this release of golearn is not known", v.Type(), name)
	}
	for _, k := range kinds {
		if f.Kind() == k {
			return f, nil
		}
	}
	return f, fmt.Errorf("field %s of %s is of kind %s: this release of golearn is not known", name, v.Type(), f.Kind())
}

// attrKind says what values an attribute has.
type attrKind int

const (
	attrFloat attrKind = iota
	attrBinary
	attrCategorical
)

// attribute is a base.Attribute.
type attribute struct {
	name   string
	kind   attrKind
	values []string // of a categorical attribute
}

// codes are the texts that a split distinguishes; their positions are the numbers that stand for them in a row.
func (a *attribute) codes() []string {
	if a.kind == attrBinary {
		return []string{"0", "1"}
	}
	return a.values
}

// readAttribute reads a base.Attribute; nil gives false.
func readAttribute(v reflect.Value) (a attribute, ok bool, err error) {
	v = follow(v)
	if !v.IsValid() {
		return a, false, nil
	}
	if v.Kind() != reflect.Struct {
		return a, false, fmt.Errorf("an attribute is a %s", v.Type())
	}
	switch name := typeName(v.Type()); name {
	case "base.FloatAttribute":
		a.kind = attrFloat
	case "base.BinaryAttribute":
		a.kind = attrBinary
	case "base.CategoricalAttribute":
		a.kind = attrCategorical
		values, err := field(v, "values", reflect.Slice)
		if err != nil {
			return a, false, err
		}
		for i := range values.Len() {
			a.values = append(a.values, values.Index(i).String())
		}
	default:
		return a, false, fmt.Errorf("attributes of type %s are not supported; convert them to float attributes", name)
	}
	name, err := field(v, "Name", reflect.String)
	if err != nil {
		return a, false, err
	}
	a.name = name.String()
	return a, true, nil
}

// readFloats copies a []float64.
func readFloats(v reflect.Value) []float64 {
	out := make([]float64, v.Len())
	for i := range out {
		out[i] = v.Index(i).Float()
	}
	return out
}
