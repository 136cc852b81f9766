package onnx

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// appendFloats reads a repeated float field in packed or unpacked form.
func appendFloats(dst []float32, t protowire.Type, num uint64, val []byte) ([]float32, error) {
	switch t {
	case protowire.Fixed32Type:
		return append(dst, math.Float32frombits(uint32(num))), nil
	case protowire.BytesType:
		if len(val)%4 != 0 {
			return nil, errTruncated
		}
		if dst == nil {
			dst = make([]float32, 0, len(val)/4)
		}
		for ; len(val) > 0; val = val[4:] {
			v, _ := protowire.ConsumeFixed32(val)
			dst = append(dst, math.Float32frombits(v))
		}
		return dst, nil
	}
	return nil, errTruncated
}

// appendDoubles reads a repeated double field in packed or unpacked form.
func appendDoubles(dst []float64, t protowire.Type, num uint64, val []byte) ([]float64, error) {
	switch t {
	case protowire.Fixed64Type:
		return append(dst, math.Float64frombits(num)), nil
	case protowire.BytesType:
		if len(val)%8 != 0 {
			return nil, errTruncated
		}
		if dst == nil {
			dst = make([]float64, 0, len(val)/8)
		}
		for ; len(val) > 0; val = val[8:] {
			v, _ := protowire.ConsumeFixed64(val)
			dst = append(dst, math.Float64frombits(v))
		}
		return dst, nil
	}
	return nil, errTruncated
}

// unpacked makes room for the elements of an unpacked list, whose message is b, at its first one: growing as they come would take several times the memory.
func unpacked[T any](list []T, b []byte, f protowire.Number) []T {
	if list != nil {
		return list
	}
	n := 0
	_ = fields(b, func(g protowire.Number, _ protowire.Type, _ uint64, _ []byte) error { // an error ends the caller's walk too
		if g == f {
			n++
		}
		return nil
	})
	return make([]T, 0, n)
}

// appendVarints reads a repeated integer field in packed or unpacked form.
func appendVarints(dst []int64, t protowire.Type, num uint64, val []byte) ([]int64, error) {
	switch t {
	case protowire.VarintType:
		return append(dst, int64(num)), nil
	case protowire.BytesType:
		count := 0
		for _, c := range val {
			if c < 0x80 { // the last byte of one
				count++
			}
		}
		dst = slices.Grow(dst, count)
		for len(val) > 0 {
			v, n := protowire.ConsumeVarint(val)
			if n < 0 {
				return nil, errTruncated
			}
			val = val[n:]
			dst = append(dst, int64(v))
		}
		return dst, nil
	}
	return nil, errTruncated
}

func parseValue(b []byte) (fileValue, error) {
	var v fileValue
	err := fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
		switch {
		case f == 1 && t == protowire.BytesType:
			v.name, err = text(val)
		case f == 2 && t == protowire.BytesType:
			err = parseType(&v, val)
		}
		return err
	})
	return v, err
}

func parseType(v *fileValue, b []byte) error {
	return fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) error {
		switch f {
		case 1:
			v.kind = "tensor"
			return fields(val, func(f protowire.Number, t protowire.Type, num uint64, val []byte) error {
				switch f {
				case 1:
					v.elem = int(num)
				case 2:
					v.rank = true
					return parseShape(v, val)
				}
				return nil
			})
		case 4:
			v.kind = "sequence"
		case 5:
			v.kind = "map"
		case 8:
			v.kind = "sparse"
		case 9:
			v.kind = "optional"
		}
		return nil
	})
}

func parseShape(v *fileValue, b []byte) error {
	return fields(b, func(f protowire.Number, t protowire.Type, num uint64, val []byte) error {
		if f != 1 || t != protowire.BytesType {
			return nil
		}
		if len(v.dims) >= maxRank {
			return fmt.Errorf("more than %d dimensions", maxRank)
		}
		var d fileDim
		err := fields(val, func(f protowire.Number, t protowire.Type, num uint64, val []byte) (err error) {
			switch {
			case f == 1 && t == protowire.VarintType:
				d.known, d.size = true, int64(num)
			case f == 2 && t == protowire.BytesType:
				d.param, err = text(val)
			}
			return err
		})
		v.dims = append(v.dims, d)
		return err
	})
}
